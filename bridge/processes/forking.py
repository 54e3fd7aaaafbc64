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
_STANDARD = (0, 1, 2)
_POLL_SECONDS = 0.01


class Forked:
    """A child of this process, even from before an exec. Its methods are those of subprocess.Popen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None  #: minus the signal's number, where one ended it

    def poll(self) -> int | None:
        """The exit code, once it has ended; 0 where something else has taken it, as subprocess.Popen has it."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = self.pid, 0
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
    """Until handle_signals() they wait, even over a fork or an exec: no handler of the one would take the other's.

    The exit codes of children are kept, also for a parent that was started by one that ignores SIGCHLD.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)


def open_standard_files() -> None:
    """Those that are closed lead to nowhere: what is opened next would get their numbers, and what is printed."""
    opened: list[int] = []
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD[-1]:
        os.set_inheritable(number, True)
        opened.append(number)
    os.close(number)
    if sys.stdout is None and 1 in opened:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None and 2 in opened:
        sys.stderr = os.fdopen(2, "w", closefd=False)


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
