"""Third-party models: a folder with an ONNX sequence-classification export, as optimum and transformers write it.

Files: config.json (id2label, problem_type), tokenizer.json, model.onnx. Single-label heads (softmax over classes, one
sigmoid) and multi-label heads (a sigmoid each, for instance unitary/toxic-bert) both become one probability of toxic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bert_api.model.errors import ModelLoadError
from bert_api.model.head import sigmoid
from bert_api.model.manifest import sha256
from bert_api.model.prediction import ModelInfo, Prediction
from bert_api.model.session import FRAMEWORK, Session
from bert_api.model.tokens import TextTokenizer, Tokenized

GRAPH, TOKENIZER, CONFIG = "model.onnx", "tokenizer.json", "config.json"
MULTI_LABEL = "multi_label_classification"
#: Words that mark a class as harmless, as whole words of its label ("not toxic", "NON_HATE", "LABEL neutral").
_HARMLESS = re.compile(r"(^|[^a-z])(non|not|no|neutral|normal|clean|safe|ok|nothate|nontoxic|benign)([^a-z]|$)")
_DEFAULT_TOKENS = 512
#: Positions of RoBERTa's table that no token gets: it counts from its padding id + 1
#: (transformers, create_position_ids_from_input_ids).
_ROBERTA_RESERVED = 2


@dataclass(frozen=True)
class Heads:
    """How logits become one probability: toxic is the union of `columns`."""

    labels: tuple[str, ...]
    multi_label: bool
    columns: tuple[int, ...]

    def probability(self, logits: NDArray[np.float64]) -> float:
        """multi-label: the highest head decides. single-label: the shares of the toxic classes add up."""
        if self.multi_label or len(self.labels) == 1:
            return float(sigmoid(logits)[list(self.columns)].max())
        shares = np.exp(logits - logits.max())
        return float(min(1.0, (shares / shares.sum())[list(self.columns)].sum()))


class ExportClassifier:
    """A loaded export. Nothing changes after construction, so threads may share it."""

    def __init__(self, info: ModelInfo, tokenizer: TextTokenizer, session: Session, heads: Heads) -> None:
        self.info = info
        self._tokenizer = tokenizer
        self._session = session
        self._heads = heads

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        tokenized = self._tokenizer.encode(texts) if texts else []
        return [Prediction.of(self._probability(one), one.total, truncated=one.truncated) for one in tokenized]

    def _probability(self, one: Tokenized) -> float:
        if not one.ids:  # only a tokenizer without special tokens makes nothing of an empty text
            return 0.0
        ids = np.array([one.ids], dtype=np.int64)
        types = np.array([one.type_ids], dtype=np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
        return self._heads.probability(self._session.run(feeds)[0][0].astype(np.float64))


def load_export(folder: Path, threads: int) -> ExportClassifier:
    """Raises ModelLoadError. The version is the beginning of the graph's SHA-256: two exports never share one."""
    config = _config(folder / CONFIG)
    heads = _heads(folder / CONFIG, config)
    max_tokens = _max_tokens(config)
    tokenizer = TextTokenizer(folder / TOKENIZER, max_tokens)
    session = Session(folder / GRAPH, threads, exact=True)  # its quantisation is unknown
    _check_inputs(folder, session)
    name = str(config.get("_name_or_path") or folder.name)
    info = ModelInfo(name, sha256(folder / GRAPH)[:12], FRAMEWORK, "unknown", max_tokens, ())
    classifier = ExportClassifier(info, tokenizer, session, heads)
    _try(folder, classifier, session, heads)
    return classifier


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{path} cannot be read as JSON: {error}. Export the model again.") from error
    if not isinstance(config, dict) or not isinstance(config.get("id2label"), dict):
        raise ModelLoadError(f"{path} has no id2label: it must name each class, e.g. {{'0': 'neutral', '1': 'toxic'}}.")
    return config


def _max_tokens(config: dict[str, Any]) -> int:
    positions = int(config.get("max_position_embeddings", _DEFAULT_TOKENS))
    return positions - _ROBERTA_RESERVED if "roberta" in str(config.get("model_type")) else positions


def _heads(path: Path, config: dict[str, Any]) -> Heads:
    """Every class whose label is not harmless counts as toxic; at least one of each kind unless multi-label."""
    labels = tuple(str(config["id2label"][key]) for key in sorted(config["id2label"], key=int))
    columns = tuple(index for index, label in enumerate(labels) if not _HARMLESS.search(label.lower()))
    multi_label = config.get("problem_type") == MULTI_LABEL
    ambiguous = not multi_label and len(labels) > 1 and len(columns) == len(labels)
    if not columns or ambiguous:
        raise ModelLoadError(
            f"{path}: the labels {list(labels)} do not say which class is harmless. Name it 'non_toxic' or 'neutral' "
            f"in id2label, or set problem_type to {MULTI_LABEL} if every class is a kind of toxicity of its own."
        )
    return Heads(labels, multi_label, columns)


def _check_inputs(folder: Path, session: Session) -> None:
    unknown = set(session.inputs) - {"input_ids", "attention_mask", "token_type_ids"}
    if unknown or "input_ids" not in session.inputs:
        raise ModelLoadError(
            f"{folder / GRAPH} wants the inputs {session.inputs}; a text classifier takes input_ids, attention_mask "
            "and optionally token_type_ids. Export it for the task text-classification."
        )


def _try(folder: Path, classifier: ExportClassifier, session: Session, heads: Heads) -> None:
    """Two runs show whether the output fits the labels, and whether the longest text that we let through does too."""
    ids = np.array([[0, 0]], dtype=np.int64)
    try:
        shape = session.run({"input_ids": ids, "attention_mask": ids + 1, "token_type_ids": ids})[0].shape
        fits = shape == (1, len(heads.labels))
        if fits:
            classifier.predict(["a " * classifier.info.max_tokens])
    except Exception as error:  # onnxruntime's own exceptions share no public parent
        raise ModelLoadError(
            f"{folder / GRAPH} fails when it is tried with 2 and with {classifier.info.max_tokens} tokens: "
            f"{str(error)[:300]}. Does max_position_embeddings in {CONFIG} belong to this graph?"
        ) from error
    if not fits:
        raise ModelLoadError(
            f"{folder / GRAPH} gives an output of shape {shape}, {CONFIG} names {len(heads.labels)} labels, so it "
            f"should be (1, {len(heads.labels)}). Export the sequence classifier, not the bare encoder."
        )
