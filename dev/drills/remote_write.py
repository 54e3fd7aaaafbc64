"""Prometheus' remote-write protocol, which keeps what a text format cannot say: that a series ended (staleness).

https://prometheus.io/docs/concepts/remote_write_spec/: a WriteRequest in protobuf, as a Snappy block (here stored
without compression).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

STALE = np.frombuffer(struct.pack("<Q", 0x7FF0000000000002), "<f8")[0]  #: the NaN that ends a series
BODY_BYTES = 8_000_000
SAMPLE_BYTES = 18  #: 2 of the field, 9 of the value, 7 of the time, whose varint has 6 bytes until the year 2039


@dataclass(frozen=True)
class Series:
    """times: milliseconds, ascending."""

    labels: Mapping[str, str]
    times: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def bodies(every: Iterable[Series]) -> Iterator[bytes]:
    """Requests of about BODY_BYTES."""
    parts: list[bytes] = []
    size = 0
    for series in every:
        parts.append(_field(0x0A, _labels(series.labels) + _samples(series)))
        size += len(parts[-1])
        if size > BODY_BYTES:
            yield _snappy(b"".join(parts))
            parts, size = [], 0
    if parts:
        yield _snappy(b"".join(parts))


def _samples(series: Series) -> bytes:
    count = len(series.times)
    rows = np.zeros((count, SAMPLE_BYTES), np.uint8)
    rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 11] = 0x12, SAMPLE_BYTES - 2, 0x09, 0x10
    rows[:, 3:11] = np.ascontiguousarray(series.values, "<f8").view(np.uint8).reshape(count, 8)
    for place in range(6):
        more = 0x80 if place < 5 else 0
        rows[:, 12 + place] = ((series.times >> (7 * place)) & 0x7F) | more
    return rows.tobytes()


def _labels(labels: Mapping[str, str]) -> bytes:
    pairs = sorted(labels.items())
    return b"".join(_field(0x0A, _field(0x0A, name.encode()) + _field(0x12, value.encode())) for name, value in pairs)


def _field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _snappy(content: bytes) -> bytes:
    """One literal: https://github.com/google/snappy/blob/main/format_description.txt"""
    return _varint(len(content)) + b"\xfc" + struct.pack("<I", len(content) - 1) + content
