"""The encoder's export: published weights to a quantised ONNX graph. Runs in the build's own virtual environment.

Invariant: the only file that knows torch; BERT's forward pass is written out here, so that the graph holds the model
and nothing else. Architecture: Devlin et al. 2018, https://arxiv.org/abs/1810.04805; sizes: the model's config.json.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from safetensors.torch import load_file
from torch import Tensor, nn

from bert_api.training import saturation

WORDS, POSITIONS, TYPES = 30522, 512, 2
WIDTH, INNER, HEADS, LAYERS = 384, 1536, 12, 6
EPSILON = 1e-12
OPSET = 17
#: Beside the last layer's, the mean of this one is given out: it knows more of the wording, the last of the meaning.
#: Chosen by grouped cross-validation on the training part, see docs/model.md.
MIDDLE = 3
#: The published names of the weights (left) and ours.
_EMBEDDINGS = {
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "types",
    "embeddings.LayerNorm": "norm",
}
_LAYER = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "mixed",
    "attention.output.LayerNorm": "mixed_norm",
    "intermediate.dense": "inner",
    "output.dense": "outer",
    "output.LayerNorm": "norm",
}


class Layer(nn.Module):  # type: ignore[misc, unused-ignore]  # untyped where torch is not installed
    """Self-attention, then two dense layers, each added to its input and normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.mixed, self.mixed_norm = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH, eps=EPSILON)
        self.inner, self.outer = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        query, key, value = (_split(part(hidden)) for part in (self.query, self.key, self.value))
        weights = torch.softmax(query @ key.transpose(2, 3) / (WIDTH // HEADS) ** 0.5 + bias, -1)
        mixed = (weights @ value).transpose(1, 2).reshape(hidden.shape)
        hidden = self.mixed_norm(self.mixed(mixed) + hidden)
        return self.norm(self.outer(nn.functional.gelu(self.inner(hidden))) + hidden)


class SentenceEncoder(nn.Module):  # type: ignore[misc, unused-ignore]
    """input_ids and attention_mask (batch, tokens) to two unit vectors (batch, WIDTH): last layer and middle one.

    The last layer's is the original's sentence embedding: mean over the tokens, then L2 normalised.
    """

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(WORDS, WIDTH), nn.Embedding(POSITIONS, WIDTH)
        self.types, self.norm = nn.Embedding(TYPES, WIDTH), nn.LayerNorm(WIDTH, eps=EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        positions = self.positions(torch.arange(input_ids.shape[1]))
        hidden = self.norm(self.words(input_ids) + positions + self.types.weight[0])
        mask = attention_mask.to(hidden.dtype)
        pooled = []
        for layer in self.layers:
            hidden = layer(hidden, ((1 - mask) * -10000.0)[:, None, None, :])
            pooled.append(_pool(hidden, mask))
        return pooled[-1], pooled[MIDDLE - 1]


def _split(hidden: Tensor) -> Tensor:
    """(batch, tokens, WIDTH) to (batch, HEADS, tokens, WIDTH / HEADS)."""
    return hidden.reshape(hidden.shape[0], hidden.shape[1], HEADS, -1).transpose(1, 2)


def _pool(hidden: Tensor, mask: Tensor) -> Tensor:
    mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    return mean / mean.norm(dim=1, keepdim=True)


def _our_name(published: str) -> str | None:
    """None for what a sentence encoder does not use (the pooler) or what is no weight (position_ids)."""
    stem, _, kind = published.rpartition(".")
    if stem in _EMBEDDINGS:
        return f"{_EMBEDDINGS[stem]}.{kind}"
    match = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", stem)
    return f"layers.{match[1]}.{_LAYER[match[2]]}.{kind}" if match else None


def load(weights: Path) -> SentenceEncoder:
    """Every weight must find its place, or torch refuses."""
    encoder = SentenceEncoder()
    encoder.load_state_dict({ours: value for name, value in load_file(weights).items() if (ours := _our_name(name))})
    encoder.eval()
    return encoder


def export(encoder: SentenceEncoder, path: Path) -> None:
    ids = torch.tensor([[101, 2023, 2003, 1037, 3231, 102], [101, 2023, 2003, 102, 0, 0]])
    tokens = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        encoder,
        (ids, (ids > 0).long()),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=["last", "middle"],
        dynamic_axes={"input_ids": tokens, "attention_mask": tokens, "last": {0: "batch"}, "middle": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,  # the tracer needs no further package, and its graph is all that these few lines contain
    )


def quantise(source: Path, target: Path) -> None:
    """Per channel: with one scale a matrix the mean cosine with the float embeddings falls from 0.990 to 0.868.

    reduce_range: weights of 7 bits, so that no processor saturates a sum of two products (see saturation.py).
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared))
        quantize_dynamic(str(prepared), str(target), per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)


def main(weights: Path, float_graph: Path, int8_graph: Path) -> None:
    with torch.no_grad():
        export(load(weights), float_graph)
    quantise(float_graph, int8_graph)
    found = saturation.largest_weight(int8_graph)
    if not 0 < found <= saturation.LARGEST:
        raise SystemExit(f"{int8_graph}: the largest weight is {found}, and must be 1 to {saturation.LARGEST}.")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
