"""The sentence encoder: texts to unit vectors, pooled inside the graph, one of each layer that the graph gives out.

Invariant: a text's embedding never depends on what it was asked together with, so every text runs alone: int8
activations are scaled by the largest value of the whole input, which in a batch would be a neighbour's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bert_api.model.session import Session
from bert_api.model.tokens import TextTokenizer, Tokenized

GRAPH, TOKENIZER = "encoder.onnx", "tokenizer.json"
#: What the encoder was trained with, although its position table has 512 rows: sentence-transformers' own
#: sentence_bert_config.json says max_seq_length 256, and mean pooling over more only thins a short insult out.
MAX_TOKENS = 256


class Encoder:
    """folder holds encoder.onnx and tokenizer.json; threads is how many one inference may use."""

    def __init__(self, folder: Path, threads: int = 1, max_tokens: int = MAX_TOKENS) -> None:
        self._tokenizer = TextTokenizer(folder / TOKENIZER, max_tokens)
        self._session = Session(folder / GRAPH, threads)

    def tokenize(self, texts: Sequence[str]) -> list[Tokenized]:
        return self._tokenizer.encode(texts)

    @property
    def layers(self) -> list[str]:
        """The layers that `embed` can give."""
        return self._session.outputs

    def embed(self, tokenized: Sequence[Tokenized], layers: Sequence[str]) -> NDArray[np.float32]:
        """The wanted layers' unit vectors side by side: shape (texts, dimensions of all layers together)."""
        columns = [self._session.outputs.index(layer) for layer in layers]
        return np.concatenate([self._embed_one(one, columns) for one in tokenized])

    def _embed_one(self, one: Tokenized, columns: list[int]) -> NDArray[np.float32]:
        ids = np.array([one.ids], dtype=np.int64)
        outputs = self._session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        return np.concatenate([outputs[column] for column in columns], axis=1)
