"""Child processes of the stack: started in their own sessions, logged to files, awaited, restarted, and ended.

With its own session a child does not get Ctrl-C, and what a dead child left running can be found. If the parent is
killed, the children are asked to end.
"""

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dev.stack import proc, with_parent
from dev.stack.errors import StackError
from dev.stack.places import Places
from dev.stack.services import Service

READY_WITHIN_SECONDS = 300.0
GRACE_SECONDS = 15.0
POLL_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 30.0
STEADY_SECONDS = 60.0
LOG_TAIL_LINES = 15


class Process:
    """One service and its current child process; a dead one is restarted with a growing delay."""

    def __init__(self, service: Service, places: Places, environment: Mapping[str, str]) -> None:
        self.service = service
        self.log = places.logs / f"{service.name}.log"
        self._run = places.run
        self._environment = {**environment, proc.MARK: str(places.run)}
        self._popen: subprocess.Popen[bytes] | None = None
        self.born = 0.0
        self._failures = 0
        self._again_at: float | None = None

    def start(self) -> None:
        self.born, self._again_at = time.monotonic(), None
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                with_parent.command(self.service.argv),
                cwd=self.service.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        return self._popen.pid if self._popen else None

    @property
    def ended(self) -> int | None:
        """Its exit status once it has ended; negative for a signal."""
        return self._popen.poll() if self._popen else None

    def is_ready(self) -> bool:
        return self.ended is None and (not self.service.ready_url or answers(self.service.ready_url))

    def exit_report(self) -> str:
        return f"{self.service.name} has ended ({status(self.ended)}). The end of {self.log}:\n{tail(self.log)}"

    def revive(self, say: Callable[[str], None]) -> bool:
        """Called periodically. True when a new child was started, so that the pid file must be updated."""
        if self.ended is None:
            return False
        if self._again_at is None:
            self._schedule_restart(say)
        elif time.monotonic() >= self._again_at:
            self.start()
            return True
        return False

    def _schedule_restart(self, say: Callable[[str], None]) -> None:
        now = time.monotonic()
        self._failures = 1 if now - self.born > STEADY_SECONDS else self._failures + 1
        delay = backoff(self._failures)
        self._again_at = now + delay
        say(f"{self.exit_report()}\nStarting it again in {delay:.0f} s.")
        self.kill()  # its children may still use the port

    def ask_to_end(self) -> None:
        if self._popen and self.ended is None:
            self._popen.terminate()

    def kill(self) -> None:
        if self.pid:
            for seen in proc.session_members(self.pid, self._run):
                send(seen.pid, signal.SIGKILL)
            self._popen and self._popen.wait()


def backoff(failures: int) -> float:
    return min(LONGEST_BACKOFF_SECONDS, 2.0 ** (failures - 1))


def wait_until_ready(
    process: Process,
    everyone: Sequence[Process],
    tick: Callable[[], None],
    limit: float = READY_WITHIN_SECONDS,
) -> None:
    """Raises as soon as any child has ended, with the tail of its log, or at the time limit."""
    deadline = time.monotonic() + limit
    while not process.is_ready():
        for other in everyone:
            if other.ended is not None:
                raise StackError(other.exit_report())
        if time.monotonic() > deadline:
            name, url = process.service.name, process.service.ready_url
            end = f"The end of {process.log}:\n{tail(process.log)}"
            raise StackError(f"{name} did not answer 200 at {url} within {limit:.0f} s. {end}")
        tick()
        time.sleep(POLL_SECONDS)


def end_all(processes: Sequence[Process], stop_now: Callable[[], bool], grace: float = GRACE_SECONDS) -> list[str]:
    """In reverse order, each with its own grace period. Returns the names that had to be killed."""
    killed = []
    for process in reversed(processes):
        deadline = time.monotonic() + grace
        process.ask_to_end()
        while process.pid and process.ended is None and time.monotonic() < deadline and not stop_now():
            time.sleep(POLL_SECONDS / 2)
        if process.pid and process.ended is None:
            killed.append(process.service.name)
        process.kill()
    return killed


def answers(url: str) -> bool:
    """Without a proxy, for these are local addresses."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):
        return False


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def status(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"


def tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 16_384))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        text = ""
    return "\n".join(f"  | {line[:500]}" for line in text.splitlines()[-lines:]) or "  | (empty)"
