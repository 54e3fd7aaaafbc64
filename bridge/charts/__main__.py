"""The drawing process: charts come in on standard input, PNGs go out on standard output, until the input ends.

Only bridge.charts.drawing_process starts it, whose pickles it can trust.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
from typing import BinaryIO

from bridge.charts.drawing_process import DRAWN, LENGTH
from bridge.core.charts.chart import Chart
from bridge.processes.lifeline import tell_at_parents_end


def serve(charts: BinaryIO, pictures: BinaryIO) -> None:
    while size := int.from_bytes(charts.read(LENGTH), "big"):
        answer = answered(pickle.loads(charts.read(size)))
        pictures.write(len(answer).to_bytes(LENGTH, "big") + answer)
        pictures.flush()


def answered(chart: Chart) -> bytes:
    """A fault of one picture must not end the process."""
    from bridge.charts.drawing import draw  # here, for it takes a second of CPU, and sending comes first: see below

    try:
        return DRAWN + draw(chart)
    except Exception as fault:
        return b"\x01" + f"{type(fault).__name__}: {fault}".encode(errors="replace")[:500]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which closes our input
    tell_at_parents_end(signal.SIGKILL)  # in the middle of a picture, too; there is nothing to put away
    with contextlib.suppress(OSError):
        os.nice(10)
    serve(sys.stdin.buffer, sys.stdout.buffer)
