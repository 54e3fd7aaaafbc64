"""Others that take Alertmanager's webhooks, posted the same as to the bridge: Alerta and Keep, as PyPI has them.

Each in an environment of its own below .tools, for nothing of the project needs it. They notify of nothing here; the
bridge delivers to three channels meanwhile.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import click
import uvloop

from dev.bench import load
from dev.bench.apart import running_apart
from dev.bench.databases import postgresql_server
from dev.bench.machines import Sinks, System, running, running_bridge, running_sinks
from dev.bench.measuring import Figures, percentile
from dev.bench.usage import cpu_seconds
from dev.stack.errors import StackError
from dev.stack.free_port import free_port
from dev.stack.places import TOOLS

PER_SECOND = 50.0
INSTALL_SECONDS = 600
WORKERS = 2  #: processes, as the machine has cores


@dataclass(frozen=True)
class Peer:
    """Packages as PyPI names them; url: the webhook's path; ready: a path that answers 200."""

    packages: tuple[str, ...]
    command: tuple[str, ...]
    url: str
    ready: str
    environment: Callable[[str, str], dict[str, str]]  #: from a database's URL and a folder


def _alerta(database: str, folder: str) -> dict[str, str]:
    config = Path(folder, "alertad.conf")
    config.write_text(f"DATABASE_URL = {database!r}\nSECRET_KEY = 'bench'\nLOG_LEVEL = 'ERROR'\nPLUGINS = []\n")
    return {"ALERTA_SVR_CONF_FILE": str(config)}


def _keep(database: str, folder: str) -> dict[str, str]:
    """On SQLite, its own default: PostgreSQL refuses the foreign keys of its tables."""
    off = dict.fromkeys(("SCHEDULER", "CONSUMER"), "false")
    on = dict.fromkeys(("PUSHER_DISABLED", "DISABLE_POSTHOG"), "true")
    return {**off, **on, "LOG_LEVEL": "ERROR", "SECRET_MANAGER_TYPE": "FILE"}


_GUNICORN = ("gunicorn", "--log-level", "error")
PEERS = {
    "Alerta 9.1": Peer(
        ("alerta-server==9.1.0", "psycopg2-binary", "gunicorn"),
        (*_GUNICORN, "--workers", str(WORKERS), "--threads", "8", "alerta:create_app()"),
        "/webhooks/prometheus",
        "/_",
        _alerta,
    ),
    "Keep 0.2": Peer(
        ("keephq==0.2.7", "setuptools<81", "gunicorn"),
        (*_GUNICORN, "--worker-class", "uvicorn.workers.UvicornWorker", "keep.api.api:get_app()"),
        "/alerts/event/prometheus",
        "/healthcheck",
        _keep,
    ),
}
Start = Callable[[Sinks], AbstractContextManager[System]]


def measure(quick: bool) -> tuple[dict[str, Figures], dict[str, str]]:
    """Figures of each that runs here, and why the others do not."""
    found: dict[str, Figures] = {}
    absent: dict[str, str] = {}
    seconds = 2.0 if quick else 5.0
    for name, start in _systems().items():
        try:
            found[name] = _measured(start, seconds)
        except (StackError, SystemExit) as fault:
            absent[name] = str(fault)
    return found, absent


def _systems() -> dict[str, Start]:
    """The bridge on the same database as they have, too."""
    own: dict[str, Start] = {"bridge, SQLite": running_bridge, "bridge, PostgreSQL": _bridge_on_postgresql}
    return own | {name: _starting(name, peer) for name, peer in PEERS.items()}


@contextlib.contextmanager
def _bridge_on_postgresql(sinks: Sinks) -> Iterator[System]:
    with postgresql_server() as server, running_apart(sinks, server, 1, 1) as system:
        yield system


def _starting(name: str, peer: Peer) -> Start:
    return lambda sinks: running_peer(name, peer)


@contextlib.contextmanager
def running_peer(name: str, peer: Peer) -> Iterator[System]:
    """Raises StackError where it cannot be installed."""
    programs = installed(name, peer)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, postgresql_server() as server:
        url, database = f"http://127.0.0.1:{free_port()}", server.new_database().replace("+psycopg", "")
        program, *rest = peer.command
        command = [str(programs / program), "--bind", url.removeprefix("http://"), *rest]
        environment = {**peer.environment(database, folder), "PATH": f"{programs}:/usr/bin:/bin"}
        with running(command, Path(folder), environment, url + peer.ready, folder) as pid:
            yield System(name, url + peer.url, pid, load.webhook, 1, (), (server.pid,))


def installed(name: str, peer: Peer) -> Path:
    """The folder of its programs. Raises StackError."""
    place = TOOLS / "peers" / name.split()[0].lower()
    complete = place / "complete"
    if not complete.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        _run([uv, "venv", "--quiet", "--clear", "--no-python-downloads", "--python", sys.executable, str(place)])
        _run([uv, "pip", "install", "--quiet", "--python", str(place), *peer.packages])
        complete.touch()
    return place / "bin"


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise StackError(f"it cannot be installed: {fault}") from fault
    if done.returncode:
        raise StackError(f"it cannot be installed: {done.stderr.strip().splitlines()[-1]}")


def _measured(start: Start, seconds: float) -> Figures:
    """First at a steady pace, then as fast as 64 clients are answered."""
    with running_sinks() as sinks, start(sinks) as system:
        total = int(PER_SECOND * (seconds + 1))
        paced = uvloop.run(load.pace(system.url, system.post, range(total), PER_SECOND))
        before = cpu_seconds(*system.pids)
        posted = uvloop.run(load.hammer(system.urls, system.post, load.until(time.monotonic() + seconds, total)))
        used = cpu_seconds(*system.pids) - before
    if posted.faults:
        click.echo(f"{system.name} refused: {dict(posted.faults)}", err=True)
    accepted = len(posted.acked) - posted.refused
    return {
        "posts/s": accepted / posted.seconds,
        "CPU ms a post": used * 1000 / max(1, accepted),
        **{f"answer at 50/s p{part} ms": percentile(paced.acked[int(PER_SECOND) :], part) * 1000 for part in (50, 99)},
        "refused": float(posted.refused + paced.refused),
    }
