"""The name of a forked process in `ps`, which would else be its parent's. Linux only; elsewhere nothing happens."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_NAME = 15  # linux/prctl.h
_ARG_START, _ARG_END = 48, 49  # fields of /proc/PID/stat, from 1: proc_pid_stat(5)
_MOST_OF_A_NAME = 15


def set_title(words: Sequence[str]) -> None:
    """These are the process's arguments from now on, as the kernel reports them; joined by -, its name in `top`.

    They take the place of those that it was started with, as far as there is room.
    """
    if sys.platform != "linux":
        return
    with suppress(ImportError, OSError, AttributeError, ValueError, IndexError):  # /proc is hidden, another libc
        import ctypes

        name = "-".join(words).encode()[:_MOST_OF_A_NAME]
        ctypes.CDLL(None).prctl(_PR_SET_NAME, ctypes.c_char_p(name), *map(ctypes.c_ulong, (0, 0, 0)))
        start, room = _arguments()
        if ctypes.string_at(start, room) == Path("/proc/self/cmdline").read_bytes():  # else they are elsewhere
            ctypes.memmove(start, _filled(words, room), room)


def _arguments() -> tuple[int, int]:
    """Where the kernel reads them, and how many bytes."""
    # the second field is a name that may have spaces and brackets in it
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[_ARG_START - 3]), int(fields[_ARG_END - 3])
    if not 0 < start < end:
        raise ValueError("the kernel does not say where")
    return start, end - start


def _filled(words: Sequence[str], room: int) -> bytes:
    """The last byte stays NUL: by that the kernel sees that nothing continues behind."""
    return b"\0".join(word.encode() for word in words)[: room - 1].ljust(room, b"\0")
