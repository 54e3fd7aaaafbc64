"""Text to token ids. The only file that knows the tokenizers library.

Invariant: any Python string is accepted; a text longer than the limit loses its end, and the caller learns of it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from bert_api.model.errors import ModelLoadError


@dataclass(frozen=True, slots=True)
class Tokenized:
    """One text's ids, cut to the limit. `total` counts special tokens and what was cut."""

    ids: list[int]
    type_ids: list[int]
    total: int

    @property
    def truncated(self) -> bool:
        return self.total > len(self.ids)


class TextTokenizer:
    """A tokenizer.json with our own limit; encoding is read-only, so any number of threads may share one."""

    def __init__(self, path: Path, max_tokens: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise ModelLoadError(
                f"{path} cannot be read as a tokenizer: {error}. Export the model with its fast tokenizer "
                "(save_pretrained writes tokenizer.json)."
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=False)

    def encode(self, texts: Sequence[str]) -> list[Tokenized]:
        encodings = self._tokenizer.encode_batch([_clean(text) for text in texts])
        return [
            Tokenized(
                one.ids, one.type_ids, len(one.ids) + sum(len(rest.ids) - self._special for rest in one.overflowing)
            )
            for one in encodings
        ]


def _clean(text: str) -> str:
    """NFC, without NUL; a lone surrogate (legal in JSON, not in UTF-8) becomes a replacement character."""
    whole = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return unicodedata.normalize("NFC", whole).replace("\x00", "")
