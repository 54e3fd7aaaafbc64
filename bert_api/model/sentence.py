"""Our own versions: the shared encoder and a version's head.

Invariant: nothing is served before every checksum in model.json was found true.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bert_api.model import head, manifest
from bert_api.model.encoder import Encoder
from bert_api.model.errors import ModelLoadError
from bert_api.model.manifest import Manifest
from bert_api.model.prediction import ModelInfo, Prediction

#: The encoder that comes with the package, for versions that live elsewhere (retrained ones).
SHIPPED_ENCODER = Path(__file__).resolve().parent.parent / "models" / "encoder"
_WRONG_ENCODER = (
    "If this version was retrained under an earlier release, its head belongs to another encoder: deploy a shipped "
    "version, or retrain. Otherwise restore the encoder from the repository."
)


class SentenceClassifier:
    """Encoder and head together. Nothing changes after construction, so threads may share it."""

    def __init__(self, info: ModelInfo, encoder: Encoder, trained: head.Head) -> None:
        self.info = info
        self._encoder = encoder
        self._head = trained

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        if not texts:
            return []
        tokenized = self._encoder.tokenize(texts)
        probabilities = self._head.probabilities(self._encoder.embed(tokenized, self._head.layers))
        return [
            Prediction.of(float(probability), one.total, truncated=one.truncated)
            for probability, one in zip(probabilities, tokenized, strict=True)
        ]


def load_version(folder: Path, threads: int) -> SentenceClassifier:
    """Raises ModelLoadError."""
    described = manifest.read(folder)
    manifest.verify(folder, described.files)
    encoder_folder = encoder_of(folder)
    manifest.verify(encoder_folder, described.encoder_files, _WRONG_ENCODER)
    trained = head.read(folder)
    encoder = Encoder(encoder_folder, threads, described.max_tokens)
    _check_fit(folder, encoder, trained)
    return SentenceClassifier(model_info(described), encoder, trained)


def encoder_of(folder: Path) -> Path:
    """The encoder beside the folder of versions, or else the one that came with the package."""
    beside = folder.resolve().parent.parent / "encoder"
    return beside if beside.is_dir() else SHIPPED_ENCODER


def model_info(described: Manifest) -> ModelInfo:
    return ModelInfo(
        name=described.name,
        version=described.version,
        framework=described.framework,
        quantization=described.quantization,
        max_tokens=described.max_tokens,
        baseline=described.baseline,
    )


def _check_fit(folder: Path, encoder: Encoder, trained: head.Head) -> None:
    if not trained.layers or not set(trained.layers) <= set(encoder.layers):
        raise ModelLoadError(
            f"{folder / head.HEAD} wants the layers {list(trained.layers)}, the encoder has {encoder.layers}. "
            "The head was trained on another encoder: retrain it."
        )
    width = encoder.embed(encoder.tokenize(["a"]), trained.layers).shape[1]
    if len(trained.weights) != width:
        raise ModelLoadError(
            f"{folder / head.HEAD} has {len(trained.weights)} weights, the encoder gives {width} numbers a text. "
            "The head was trained on another encoder: retrain it."
        )
