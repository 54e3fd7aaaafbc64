"""A real Prometheus that holds 25 hours in memory: written to by remote write, asked by its API."""

from __future__ import annotations

import contextlib
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from dev.drills.remote_write import Series, bodies
from dev.drills.shapes import Floats
from dev.drills.timeline import Times
from dev.stack.binaries import find, working_folder
from dev.stack.errors import StackError
from dev.stack.free_port import free_port

START_SECONDS, ANSWER_SECONDS = 120.0, 300.0
BLOCK = "60h"  #: longer than the history, so that series can be written one after the other
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Curve:
    """One series of a range query: values at some of the times, in seconds."""

    labels: Mapping[str, str]
    times: Times
    values: Floats


@dataclass(frozen=True)
class Prometheus:
    url: str

    def write(self, series: Iterable[Series]) -> None:
        for body in bodies(series):
            headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
            headers["X-Prometheus-Remote-Write-Version"] = "0.1.0"
            self._ask(urllib.request.Request(f"{self.url}/api/v1/write", body, headers))

    def range(self, expression: str, begin: int, end: int, step: int) -> list[Curve]:
        query = {"query": expression, "start": str(begin), "end": str(end), "step": str(step)}
        asked = urllib.request.Request(f"{self.url}/api/v1/query_range", urllib.parse.urlencode(query).encode())
        return [_curve(each) for each in orjson.loads(self._ask(asked))["data"]["result"]]

    def ready(self) -> bool:
        with contextlib.suppress(OSError):
            _DIRECT.open(f"{self.url}/-/ready", timeout=5).close()
            return True
        return False

    def _ask(self, request: urllib.request.Request) -> bytes:
        """Raises StackError with what Prometheus says."""
        try:
            with _DIRECT.open(request, timeout=ANSWER_SECONDS) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as fault:
            said = fault.read(500).decode(errors="replace")
            raise StackError(f"Prometheus at {request.full_url} answered {fault.code}: {said}") from None


def _curve(result: dict[str, list[list[float]]]) -> Curve:
    points = result["values"]
    labels: Mapping[str, str] = result["metric"]  # type: ignore[assignment]
    return Curve(labels, np.array([at for at, _ in points], np.int64), np.array([value for _, value in points], float))


@contextlib.contextmanager
def running_prometheus(folder: Path) -> Iterator[Prometheus]:
    """Without rules and targets: what it knows was written. Raises StackError when it does not start."""
    config, binary = folder / "prometheus.yml", find("prometheus")
    config.write_text("global: {}\n", encoding="utf-8")
    port = free_port()
    command = [
        str(binary), f"--config.file={config}", f"--storage.tsdb.path={folder}/data", "--log.level=warn",
        f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
        f"--storage.tsdb.min-block-duration={BLOCK}", f"--storage.tsdb.max-block-duration={BLOCK}",
        "--storage.tsdb.retention.time=100d", "--query.max-samples=500000000",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=working_folder(binary))
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    try:
        _wait(process, prometheus, folder / "prometheus.log")
        yield prometheus
    finally:
        process.terminate()
        process.wait(ANSWER_SECONDS)


def _wait(process: subprocess.Popen[bytes], prometheus: Prometheus, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not prometheus.ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackError(f"Prometheus did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
