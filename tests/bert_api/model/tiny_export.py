"""A sequence-classification export small enough to be made in a test: logits = mean over tokens of a row for each word.

The ONNX file is written field by field (numbers from onnx.proto3), so that the tests need no onnx package.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

FLOAT, INT64 = 1, 7
_INT, _INTS = 2, 7


def write_export(
    folder: Path,
    words: Mapping[str, Sequence[float]],
    labels: Sequence[str],
    more_inputs: Sequence[str] = (),
    **config: Any,
) -> Path:
    """words: each word's logits, one a label. Everything else counts as [UNK], whose logits are zero.

    more_inputs: that the graph wants besides input_ids, and ignores.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [[0.0] * len(labels), *words.values()]
    (folder / "model.onnx").write_bytes(graph(rows, more_inputs))
    tokenizer = Tokenizer(
        WordLevel({"[UNK]": 0, **{word: row + 1 for row, word in enumerate(words)}}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    id2label = {str(index): label for index, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps({"id2label": id2label, "max_position_embeddings": 8, **config}))
    return folder


def graph(rows: Sequence[Sequence[float]], more_inputs: Sequence[str] = ()) -> bytes:
    """Gather the rows of input_ids, then average over the tokens."""
    width = len(rows[0])
    table = _message(
        (1, len(rows)),
        (1, width),
        (2, FLOAT),
        (8, b"table"),
        (9, struct.pack(f"<{len(rows) * width}f", *(value for row in rows for value in row))),
    )
    axes = _message((1, b"axes"), (8, 1), (20, _INTS))
    flat = _message((1, b"keepdims"), (3, 0), (20, _INT))
    body = _message(
        (1, _message((1, b"table"), (1, b"input_ids"), (2, b"rows"), (4, b"Gather"))),
        (1, _message((1, b"rows"), (2, b"logits"), (4, b"ReduceMean"), (5, axes), (5, flat))),
        (2, b"tiny"),
        (5, table),
        *((11, _value(name, INT64, "tokens")) for name in ("input_ids", *more_inputs)),
        (12, _value("logits", FLOAT, width)),
    )
    return _message((1, 8), (8, _message((1, b""), (2, 17))), (7, body))


def _value(name: str, element: int, second: str | int) -> bytes:
    last = _message((2, second.encode()) if isinstance(second, str) else (1, second))
    shape = _message((1, _message((1, 1))), (1, last))
    return _message((1, name.encode()), (2, _message((1, _message((1, element), (2, shape))))))


def _message(*fields: tuple[int, int | bytes]) -> bytes:
    """Protobuf: a number is written as a varint, bytes with their length."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts += [_varint(number << 3), _varint(value)]
        else:
            parts += [_varint(number << 3 | 2), _varint(len(value)), value]
    return b"".join(parts)


def _varint(value: int) -> bytes:
    output = bytearray()
    while value > 0x7F:
        output.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*output, value])
