"""`bridge serve`: a web and a worker process side by side, each restarted when it dies.

Two processes, because sending in the web process made acknowledgements ten times slower when it was tried. This third
one only waits, so it carries the standard library alone: half the memory.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bridge.log_lines import WRITERS, glimpsed, is_written

_GRACE_SECONDS = 30.0


class Supervisor:
    """Runs `bridge web` and `bridge worker` with the same options until SIGTERM or SIGINT."""

    def __init__(self, commands: Mapping[str, Sequence[str]]) -> None:
        self._commands = commands
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._quick_deaths: dict[str, int] = dict.fromkeys(commands, 0)
        self._again_at: dict[str, float] = {}
        self._stopping = False
        # The metrics of both processes meet in this folder (prometheus_client's multiprocess mode).
        self._metrics = tempfile.mkdtemp(prefix="bridge-metrics-")

    def run(self) -> int:
        """The exit code: 1 when a child says at its first start that it cannot run at all."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._reload)
        for name in self._commands:
            self._start(name)
        code = 0
        while not self._stopping and not code:
            time.sleep(0.1)
            code = self._mend()
        self._end()
        shutil.rmtree(self._metrics, ignore_errors=True)
        return code

    def _start(self, name: str) -> None:
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": self._metrics}
        # A process group of its own: Ctrl-C reaches the supervisor alone, which then stops the children in order.
        self._children[name] = subprocess.Popen(self._commands[name], env=environment, process_group=0)
        self._started[name] = time.monotonic()
        self._again_at.pop(name, None)
        _log("info", "started", process=name, pid=self._children[name].pid)

    def _mend(self) -> int:
        for name, child in self._children.items():
            code = child.poll()
            if code is None:
                continue
            if name not in self._again_at:
                if self._cannot_run(name, code):
                    return 1
                self._plan_restart(name, code)
            elif time.monotonic() >= self._again_at[name]:
                self._start(name)
        return 0

    def _cannot_run(self, name: str, code: int) -> bool:
        """Exit code 2 at the first start is a fault that no restart mends: it has been explained on stderr."""
        return code == 2 and self._quick_deaths[name] == 0 and time.monotonic() - self._started[name] < 10

    def _plan_restart(self, name: str, code: int) -> None:
        quick = time.monotonic() - self._started[name] < 10
        self._quick_deaths[name] = self._quick_deaths[name] + 1 if quick else 1
        wait = 0.0 if self._quick_deaths[name] == 1 else min(10.0, 0.5 * 2 ** self._quick_deaths[name])
        self._again_at[name] = time.monotonic() + wait
        _log("error", "died", process=name, code=code, restart_in_seconds=wait)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _reload(self, *_: object) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGHUP)

    def _end(self) -> None:
        """The web first, so that nothing more comes in while the worker finishes what it is sending."""
        for name in self._commands:
            child = self._children[name]
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        for child in self._children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def serve(config: str, database: str, listen: str) -> int:
    """Supervise both halves with this interpreter."""
    os.environ["BRIDGE_CONFIG"] = config
    python = [sys.executable, "-m", "bridge"]
    shared = ["--config", config, "--database", database]
    web = [*python, "web", *shared, "--listen", listen, "--reload-parent"]
    return Supervisor({"web": web, "worker": [*python, "worker", *shared]}).run()


def _log(level: str, event: str, **fields: object) -> None:
    """A line as bridge.logs writes it, by the settings that hold now; nothing secret is known here."""
    least, style = glimpsed(os.environ, _routes())
    if not is_written(level, least):
        return
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    line = {**fields, "event": event, "logger": "supervisor", "level": level, "timestamp": now}
    with suppress(OSError, ValueError):  # a full disk, perhaps
        print(WRITERS[style](line), file=sys.stderr, flush=True)


def _routes() -> str:
    with suppress(OSError, ValueError):
        return Path(os.environ.get("BRIDGE_CONFIG", "")).read_text("utf-8")
    return ""
