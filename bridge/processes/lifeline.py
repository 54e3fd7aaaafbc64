"""What ties a process to its parent, and what shows that it moves. Standard library only: the supervisor has no more.

Invariant: when the parent is gone, whatever killed it, the child ends: in order where it can, and soon in any case.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import MutableMapping
from pathlib import Path

#: Of a child's environment: the number of its end of the line to the supervisor.
VARIABLE = "BRIDGE_LIFELINE"
#: One of them a beat; the first READY may be lost while nobody listens, so it is said again.
READY, MOVES = b"r", b"."
#: Told before a kill: a process that hangs writes where it does, each thread of it.
SAY_WHERE = signal.SIGUSR1
#: How long an orphan may take to end in order. The web's is shorter than the next one waits for its address.
GRACE_SECONDS = {"web": 10.0, "worker": 30.0}
_SELDOM_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Beat:
    """Shows that this process moves: to its supervisor, and in a file for a probe. Call it from what must move.

    Until ready() a thread does that, for a start may take long in one place: a migration, a database that is locked.
    """

    def __init__(self, line: socket.socket | None = None, file: Path | None = None) -> None:
        """file: its modification time is the last beat. Raises OSError where it cannot be written."""
        self._line, self._file = line, file
        self._at = time.monotonic()
        self._ready = False
        if file is not None:
            file.touch()
        if line is not None or file is not None:
            threading.Thread(target=self._while_starting, name="beat", daemon=True).start()

    @property
    def silent_seconds(self) -> float:
        """Since the last beat."""
        return time.monotonic() - self._at

    def fault(self, seconds: float) -> str:
        """Why this process does not live, in words, when it has not moved for so long; it does while it starts."""
        silent = self.silent_seconds
        if not self._ready or silent <= seconds:
            return ""
        return f"it has not moved for {silent:.0f} s (limit {seconds:.0f} s)"

    def ready(self) -> None:
        """Set up: from now on only calls count."""
        self._ready = True
        self._send(READY)

    def __call__(self) -> None:
        if self.silent_seconds < _SELDOM_SECONDS:
            return
        self._at = time.monotonic()
        self._send(READY if self._ready else MOVES)
        if self._file is not None:
            with contextlib.suppress(OSError):  # the probe will tell
                self._file.touch()

    def _send(self, word: bytes) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):  # full of beats that nobody has read yet, or nobody is there
                self._line.send(word, socket.MSG_DONTWAIT)

    def _while_starting(self) -> None:
        while not self._ready:
            self()
            time.sleep(1)


def tied(environ: MutableMapping[str, str], grace_seconds: float, file: Path | None = None) -> Beat:
    """Called first in a process that may have a supervisor: from then on it ends when that does."""
    line = _line(environ.pop(VARIABLE, ""))
    if line is None:
        return Beat(file=file)
    faulthandler.register(SAY_WHERE, all_threads=True)
    # Not to end it: a stopped process must first run again to see the end of the line.
    tell_at_parents_end(signal.SIGCONT)
    threading.Thread(target=_end_with, args=(line, grace_seconds), name="lifeline", daemon=True).start()
    return Beat(line, file)


def _line(number: str) -> socket.socket | None:
    """None without a supervisor, or with a number that is no longer what it was."""
    if not number.isdecimal():
        return None
    with contextlib.suppress(OSError):
        line = socket.socket(fileno=int(number))
        line.set_inheritable(False)
        return line
    return None


def _end_with(line: socket.socket, grace_seconds: float) -> None:
    """Waits for the end of the line. Nothing is ever sent this way."""
    with contextlib.suppress(OSError):  # reset, for beats that it had not read
        while line.recv(1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def tell_at_parents_end(number: signal.Signals) -> None:
    """Have the kernel send this signal when the thread ends that started this process. Linux only; elsewhere nothing.

    https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html: a parent that ended before this call sends none.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(ImportError, OSError, AttributeError):  # a Python without ctypes, another libc
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, *map(ctypes.c_ulong, (number, 0, 0, 0)))
