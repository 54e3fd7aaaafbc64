"""The processes of one measurement, each new, in a temporary folder, and ended by their caller."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from dev.bench import configs, load
from dev.stack.binaries import find, working_folder
from dev.stack.free_port import free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
BRIDGE = [sys.executable, "-m", "bridge"]


@dataclass(frozen=True)
class Sinks:
    http: int
    smtp: int

    def ask(self, what: str) -> dict[str, Any]:
        with DIRECT.open(f"http://127.0.0.1:{self.http}/bench/{what}", timeout=60) as answer:
            content: dict[str, Any] = orjson.loads(answer.read())
        return content


@dataclass(frozen=True)
class System:
    """The bridge or Alertmanager, ready. `post` makes its own kind of request from alerts."""

    name: str
    url: str
    pid: int
    post: load.Poster
    groups_per_post: int  #: one for a webhook; Prometheus sends up to 64 alerts at once
    more_urls: tuple[str, ...] = ()  #: of further webs
    more_pids: tuple[int, ...] = ()  #: of what it needs besides: further webs and workers, a database's server

    @property
    def urls(self) -> tuple[str, ...]:
        return self.url, *self.more_urls

    @property
    def pids(self) -> tuple[int, ...]:
        return self.pid, *self.more_pids


@contextlib.contextmanager
def running_sinks() -> Iterator[Sinks]:
    sinks = Sinks(free_port(), free_port())
    command = [sys.executable, "-m", "dev.bench.sinks", str(sinks.http), str(sinks.smtp)]
    with running(command, ROOT, {}, f"http://127.0.0.1:{sinks.http}/bench/counts"):
        yield sinks


@contextlib.contextmanager
def running_bridge(
    sinks: Sinks, prometheus: str | None = None, folder: str | None = None, database: str | None = None
) -> Iterator[System]:
    """folder: that keeps the database. database: the URL of another one."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with _place(folder) as place:
        config = routes_file(place, sinks, prometheus)
        command = [*BRIDGE, "serve", "--config", config, "--listen", f"127.0.0.1:{port}"]
        url_of_database = {"BRIDGE_DATABASE_URL": database or f"sqlite:///{place}/bench.db"}
        environment = {**configs.environment(prometheus), **url_of_database}
        with running(command, ROOT, environment, f"{url}/-/ready", place) as pid:
            yield System("bridge", f"{url}/webhook/alertmanager", pid, load.webhook, 1)


def routes_file(place: str, sinks: Sinks, prometheus: str | None = None) -> str:
    config = Path(place, "routes.yaml")
    config.write_text(configs.routes(sinks.http, sinks.smtp, context=prometheus is not None), encoding="utf-8")
    return str(config)


@contextlib.contextmanager
def running_alertmanager(sinks: Sinks) -> Iterator[System]:
    binary, port = find("alertmanager"), free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        config = Path(folder, "alertmanager.yml")
        config.write_text(configs.alertmanager(sinks.http, sinks.smtp), encoding="utf-8")
        command = [
            str(binary),
            f"--config.file={config}",
            f"--storage.path={folder}/data",
            "--log.level=error",
        ]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
        with running(command, working_folder(binary), {}, f"{url}/-/ready", folder) as pid:
            yield System("alertmanager", f"{url}/api/v2/alerts", pid, load.api_v2, 64)


SYSTEMS = {"bridge": running_bridge, "alertmanager": running_alertmanager}


def _place(folder: str | None) -> contextlib.AbstractContextManager[str]:
    return contextlib.nullcontext(folder) if folder else tempfile.TemporaryDirectory(prefix="bench-")


@contextlib.contextmanager
def running(
    command: list[str], cwd: Path, more: Mapping[str, str], ready: str, folder: str | None = None
) -> Iterator[int]:
    """Its pid, from when it answers at that URL until the end of the block."""
    environment = {**os.environ, **more, "BENCH_RUN": secrets.token_hex(4)}
    with tempfile.TemporaryFile(dir=folder) as log:
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log)
        try:
            _wait_ready(process, ready)
            yield process.pid
        except NotReady as fault:
            log.seek(0)
            raise SystemExit(f"{fault}\n{log.read()[-3000:].decode(errors='replace')}") from fault
        finally:
            _end(process)


class NotReady(Exception):
    """It ended, or never answered."""


def _wait_ready(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError):
            DIRECT.open(url, timeout=5).close()
            return
        time.sleep(0.01)
    raise NotReady(f"{process.args!r} does not answer at {url} (exit code {process.poll()})")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
