"""A separate `make up` for one drill: free ports, a temporary folder, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.stack import ports, with_parent
from dev.stack.errors import StackError
from dev.stack.free_port import free_port
from dev.stack.places import ROOT, Places
from dev.stack.processes import tail

COMPLETE_WITHIN_SECONDS, ENDED_WITHIN_SECONDS = 900.0, 300.0


@contextmanager
def started() -> Iterator[Places]:
    """Yields the places of a complete stack. Raises StackError. Takes SPEED and UP_TRAFFIC from the environment."""
    with tempfile.TemporaryDirectory(prefix="incident-bridge-drill-") as folder:
        places = Places(Path(folder).resolve())
        log = places.run / "up.log"
        with log.open("wb") as stream:
            process = _up(places, stream.fileno())
        try:
            _wait_until_complete(process, places, log)
            yield places
        except StackError as fault:
            raise StackError(f"{fault}\nThat stack is gone; its logs were kept: {_kept(places)}") from None
        finally:
            process.terminate()
            process.wait(ENDED_WITHIN_SECONDS)


def _kept(places: Places) -> Path:
    kept = Places().run / "drill-logs"
    return shutil.copytree(places.logs, kept, dirs_exist_ok=True) if places.logs.exists() else kept


def _up(places: Places, log: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **free_ports(), "PYTHONUNBUFFERED": "1"}
    words = with_parent.command([sys.executable, "-m", "dev.stack", "up", "--run", str(places.run)])
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _wait_until_complete(process: subprocess.Popen[bytes], places: Places, log: Path) -> None:
    deadline = time.monotonic() + COMPLETE_WITHIN_SECONDS
    while not places.running.exists():
        if process.poll() is not None:
            raise StackError(f"`make up` ended before it was complete:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise StackError(f"`make up` was not complete within {COMPLETE_WITHIN_SECONDS:.0f} s:\n{tail(log)}")
        time.sleep(0.2)


def free_ports() -> dict[str, str]:
    """Environment variables for `make up`."""
    return {ports.variable(name): str(free_port()) for name in ports.NAMES}
