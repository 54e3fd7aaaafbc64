"""A child process that goes on from here: it has all that its parent has imported, and shares the pages of it.

Fork only where no other thread runs, no database is open and no event loop was made. Standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_POLL_SECONDS = 0.01


class Forked:
    """A child of this process, even from before an exec. Its methods are those of subprocess.Popen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None  #: minus the signal's number, where one ended it

    def poll(self) -> int | None:
        """The exit code, once it has ended."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired after so many seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() >= until:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(_POLL_SECONDS)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """None, when it has ended: its number may be another's."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def block_signals() -> None:
    """Until handle_signals() they wait, even over a fork or an exec: no handler of the one would take the other's."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)


def handle_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)


def fork(run: Callable[[], object]) -> int:
    """The child, in a process group of its own, runs this and ends with its exit code. Raises OSError.

    To be called with signals blocked, before any handler was set.
    """
    pid = os.fork()
    if pid == 0:
        _become(run)
    return pid


def _become(run: Callable[[], object]) -> NoReturn:
    """Nothing of the parent's stack is unwound: what it would clean up is the parent's."""
    code = 1
    try:
        os.setpgid(0, 0)
        handle_signals()
        code = _exit_code_of(run)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)


def _exit_code_of(run: Callable[[], object]) -> int:
    """As of an interpreter: https://docs.python.org/3/library/exceptions.html#SystemExit"""
    try:
        run()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
