"""Ties a process to its supervisor, and sends its liveness beats. Standard library only, as for the supervisor.

Invariant: when the parent is gone, however it died, the child ends: gracefully if it can, and soon in any case.
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

#: A child's environment variable: the file descriptor of its socket to the supervisor.
VARIABLE = "BRIDGE_LIFELINE"
#: One of these per beat; READY is repeated, for the first may be lost while the supervisor is not reading.
READY, MOVES = b"r", b"."
#: Sent before a kill: a hanging process writes the traceback of each thread.
SAY_WHERE = signal.SIGUSR1
#: An orphan's time for a graceful end. The web's is shorter than its successor waits for the address.
GRACE_SECONDS = {"web": 10.0, "worker": 30.0}
_MIN_INTERVAL_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Beat:
    """Reports progress of this process: to its supervisor, and in a file for probes. Call it from the main loop.

    Until ready() a thread does so, as a start may block for long: in a migration, or on a locked database.
    """

    def __init__(self, line: socket.socket | None = None, file: Path | None = None) -> None:
        """file: its modification time is the last beat. Raises OSError if it cannot be written."""
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
        """Why this process is not alive, if it had no beat for so long; empty if it is, or is still starting."""
        silent = self.silent_seconds
        if not self._ready or silent <= seconds:
            return ""
        return f"it made no progress for {silent:.0f} s (limit {seconds:.0f} s)"

    def ready(self) -> None:
        """The start is complete: from now on only calls count as beats."""
        self._ready = True
        self._send(READY)

    def __call__(self) -> None:
        if self.silent_seconds < _MIN_INTERVAL_SECONDS:
            return
        self._at = time.monotonic()
        self._send(READY if self._ready else MOVES)
        if self._file is not None:
            with contextlib.suppress(OSError):  # the probe will notice
                self._file.touch()

    def _send(self, word: bytes) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):  # the buffer is full of unread beats, or the supervisor is gone
                self._line.send(word, socket.MSG_DONTWAIT)

    def _while_starting(self) -> None:
        while not self._ready:
            self()
            time.sleep(1)


def tied(environ: MutableMapping[str, str], grace_seconds: float, file: Path | None = None) -> Beat:
    """Call this first in a process that may have a supervisor: from then on it ends when that ends."""
    line = _line(environ.pop(VARIABLE, ""))
    if line is None:
        return Beat(file=file)
    faulthandler.register(SAY_WHERE, all_threads=True)
    # Only to wake it: a stopped process must run again to see that the socket closed.
    tell_at_parents_end(signal.SIGCONT)
    threading.Thread(target=_end_with, args=(line, grace_seconds), name="lifeline", daemon=True).start()
    return Beat(line, file)


def _line(number: str) -> socket.socket | None:
    """None without a supervisor, or if the descriptor is not a socket."""
    if not number.isdecimal():
        return None
    with contextlib.suppress(OSError):
        line = socket.socket(fileno=int(number))
        line.set_inheritable(False)
        return line
    return None


def _end_with(line: socket.socket, grace_seconds: float) -> None:
    """Waits until the supervisor's end closes; it never sends anything."""
    with contextlib.suppress(OSError):  # reset, because of unread beats
        while line.recv(1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def tell_at_parents_end(number: signal.Signals) -> None:
    """Have the kernel send this signal when the parent's starting thread ends. Linux only; elsewhere a no-op.

    https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html: a parent that ended before this call sends none.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(ImportError, OSError, AttributeError):  # a Python without ctypes, another libc
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, *map(ctypes.c_ulong, (number, 0, 0, 0)))
