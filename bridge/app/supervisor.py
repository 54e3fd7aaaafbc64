"""`bridge serve`: a web and one or more worker processes side by side, each restarted when it dies or hangs.

Two kinds, because sending in the web process made acknowledgements ten times slower when it was tried. This third one
only waits, so it carries the standard library alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bridge.observability.log_lines import WRITERS, glimpsed, is_written
from bridge.processes.forking import Forked, handle_signals
from bridge.processes.lifeline import READY, SAY_WHERE, VARIABLE
from bridge.processes.shared_folder import SharedFolder
from bridge.processes.titles import set_title

CANNOT_RUN = 2  #: a child's exit code for a fault of set-up, which it has explained on stderr
GRACE_SECONDS = 30.0
_TICK_SECONDS = 0.1
_SAYING_SECONDS = 0.5
_STEADY_SECONDS = 10.0
METRICS = "PROMETHEUS_MULTIPROC_DIR"  #: prometheus_client's multiprocess mode
STATE = "BRIDGE_SUPERVISED"  #: variable in which `bridge serve` hands over to what takes its place


class Child:
    """One half: the process that runs now, what it says of itself, and when it is started again."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], inherited: int) -> None:
        """inherited: an open file that it keeps open, too."""
        self.name, self._command, self._environment, self._inherited = name, command, environment, inherited
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self.line: socket.socket | None = None
        self.again_at: float | None = 0.0  #: monotonic; None while it runs
        self.was_ready = False  #: ever, in the life of this supervisor
        self.silent_seconds = 0.0
        self._ready_at: float | None = None
        self._failures = 0
        self._reload_when_ready = False

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """In a process group of its own: Ctrl-C reaches the supervisor alone, which stops the children in order."""
        self._ready_at, self.silent_seconds, self._reload_when_ready = None, 0.0, False
        ours, theirs = socket.socketpair()
        environment = {**self._environment, VARIABLE: str(theirs.fileno())}
        files = (theirs.fileno(), self._inherited)
        try:
            self.process = subprocess.Popen(self._command, env=environment, process_group=0, pass_fds=files)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.line, self.again_at = ours, None
        log("info", "started", process=self.name, pid=self.process.pid)

    def adopt(self, process: Forked, line: socket.socket) -> None:
        """It was started before this supervisor."""
        self.process, self.line, self.again_at = process, line, None

    def listen(self) -> None:
        """Take what it said, once the line has something to read or its process has ended."""
        if self.line is None:
            return
        said = b""
        with contextlib.suppress(OSError):
            said = self.line.recv(65536, socket.MSG_DONTWAIT)
        if not said:
            self.hang_up()
            return
        self.silent_seconds = 0.0
        if READY in said and self._ready_at is None:
            self._ready_at, self.was_ready = time.monotonic(), True
            if self._reload_when_ready:
                self.reload()

    def reload(self) -> None:
        """One that is still starting may have read the old file already, and knows no SIGHUP yet."""
        self._reload_when_ready = self._ready_at is None
        if not self._reload_when_ready:
            self.send(signal.SIGHUP)

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)  # none, when it has ended

    def kill_the_hung(self) -> None:
        log("error", "hung", process=self.name, silent_seconds=round(self.silent_seconds))
        self.send(SAY_WHERE)
        time.sleep(_SAYING_SECONDS)
        self.send(signal.SIGKILL)
        self.silent_seconds = 0.0  # one that waits for a disk only dies when it answers

    def plan_restart(self, code: int | None) -> None:
        """code: None when it could not even be started."""
        now = time.monotonic()
        steady = self._ready_at is not None and now - self._ready_at >= _STEADY_SECONDS
        self._failures = 1 if steady else self._failures + 1
        wait = restart_wait(self._failures)
        self.again_at = now + wait
        self.hang_up()
        log("error", "died", process=self.name, code=code, restart_in_seconds=wait)

    def hang_up(self) -> None:
        if self.line is not None:
            self.line.close()
        self.line = None


class Supervisor:
    """Runs `bridge web` and `bridge worker` with the same options until SIGTERM or SIGINT."""

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        environment: Mapping[str, str],
        hang_seconds: float,
        folder: SharedFolder | None = None,
    ) -> None:
        """hang_seconds: a child that shows no sign of life for so long is killed and started again; 0 is never.

        Raises OSError where no temporary folder can be made.
        """
        self._hang_seconds = hang_seconds
        self._stopping = False
        self._folder = folder or SharedFolder.make()
        shared = {**environment, METRICS: str(self._folder.path)}
        self._children = {name: Child(name, command, shared, self._folder.lock) for name, command in commands.items()}

    def adopt(self, name: str, pid: int, line: socket.socket) -> None:
        """A child that runs already."""
        self._children[name].adopt(Forked(pid), line)

    def run(self) -> int:
        """The exit code: CANNOT_RUN when a child says so before it was ever ready, for no restart mends that."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._reload)
        handle_signals()
        try:
            return self._watch()
        finally:
            self._end()
            self._folder.remove()

    def _watch(self) -> int:
        checked_at = time.monotonic()
        while not self._stopping:
            now = time.monotonic()
            for child in self._children.values():
                child.silent_seconds = silence(child.silent_seconds, now - checked_at)
                if not self._mend(child, now):
                    return CANNOT_RUN
            checked_at = now
            self._listen()
        return 0

    def _listen(self) -> None:
        """Until the next tick, or sooner."""
        lines = {child.line: child for child in self._children.values() if child.line is not None}
        readable, _, _ = select.select(list(lines), [], [], _TICK_SECONDS)
        for line in readable:
            lines[line].listen()

    def _mend(self, child: Child, now: float) -> bool:
        """False when it can never run."""
        if child.runs:
            if self._hang_seconds and child.silent_seconds >= self._hang_seconds:
                child.kill_the_hung()
        elif child.again_at is None:
            child.listen()  # it may have been ready for a moment
            code = child.process.returncode if child.process else None
            if code == CANNOT_RUN and not child.was_ready:
                return False
            child.plan_restart(code)
        elif now >= child.again_at:
            self._start(child)
        return True

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as fault:  # no memory, no process, no file to spare: perhaps a moment later
            log("error", "not_started", process=child.name, fault=str(fault))
            child.plan_restart(None)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _reload(self, *_: object) -> None:
        for child in self._children.values():
            child.reload()

    def _end(self) -> None:
        """The web first, so that nothing more comes in while the worker finishes what it is sending."""
        for child in self._children.values():
            child.send(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for process in (child.process for child in self._children.values() if child.process is not None):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for child in self._children.values():
            child.hang_up()


def silence(before: float, elapsed: float) -> float:
    """How long a child has been silent, in seconds in which the supervisor itself could listen.

    One step counts a second at most: when all processes were stopped, or the machine slept, no child is at fault.
    """
    return before + min(elapsed, 1.0)


def restart_wait(failures: int) -> float:
    """Seconds until the next start after so many deaths in a row: at once, then later each time."""
    return 0.0 if failures <= 1 else min(10.0, 0.5 * 2.0 ** min(failures, 10))


def main() -> int:
    """In the place of `bridge serve`, with the children that it has forked: bridge.app.first_start."""
    set_title(["bridge", "serve"])
    halves, hang_seconds, path, lock, running = json.loads(os.environ.pop(STATE))
    commands = {name: [sys.executable, "-m", "bridge", *arguments] for name, arguments in halves.items()}
    os.set_inheritable(lock, False)
    supervisor = Supervisor(commands, os.environ, hang_seconds, SharedFolder(Path(path), lock))
    for name, (pid, number) in running.items():
        line = socket.socket(fileno=number)
        line.set_inheritable(False)
        supervisor.adopt(name, pid, line)
    return supervisor.run()


def log(level: str, event: str, **fields: object) -> None:
    """A line as bridge.observability.logs writes it, by the settings that hold now; nothing secret is known here."""
    least, style = glimpsed(os.environ, _routes())
    if not is_written(level, least):
        return
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    line = {**fields, "event": event, "logger": "supervisor", "level": level, "timestamp": now}
    # a full disk, or the reader of the log has gone: no reason to end
    with contextlib.suppress(OSError, ValueError):
        print(WRITERS[style](line), file=sys.stderr, flush=True)


def _routes() -> str:
    with contextlib.suppress(OSError, ValueError):
        return Path(os.environ.get("BRIDGE_CONFIG", "")).read_text("utf-8")
    return ""


if __name__ == "__main__":
    sys.exit(main())
