"""A real Prometheus with the data of dashboard_history."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from dev.stack.binaries import find, working_folder
from dev.stack.free_port import free_port
from tests.dashboards import dashboard_history as history


@dataclass(frozen=True)
class Prometheus:
    """Answers as of history.NOW, unless another moment is given."""

    url: str

    def instant(self, expr: str, moment: int = history.NOW) -> list[dict[str, Any]]:
        return self._result("query", query=expr, time=moment)

    def range(self, expr: str) -> list[dict[str, Any]]:
        """The last half hour, one point a minute."""
        return self._result("query_range", query=expr, start=history.NOW - 1800, end=history.NOW, step=60)

    def label_values(self, selector: str, label: str) -> list[str]:
        answer = self._get(f"label/{label}/values", **{"match[]": selector, "start": history.BEGIN, "end": history.NOW})
        return list(answer["data"])

    def _result(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        return list(self._get(path, **parameters)["data"]["result"])

    def _get(self, path: str, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=60).json()
        assert answer["status"] == "success", f"{parameters}: {answer}"
        return answer


@contextlib.contextmanager
def running_prometheus(folder: Path) -> Iterator[Prometheus]:
    _make_blocks(folder)
    port = free_port()
    binary = find("prometheus")
    config = folder / "prometheus.yml"
    config.write_text("scrape_configs: []\n")
    command = [str(binary), f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100d"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=working_folder(binary))
    try:
        yield _ready(Prometheus(f"http://127.0.0.1:{port}"), process, folder / "log")
    finally:
        process.terminate()
        process.wait(300)


def _make_blocks(folder: Path) -> None:
    text = folder / "history.om"
    text.write_text(history.everything())
    promtool = find("promtool")
    command = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(text), f"{folder}/data"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=working_folder(promtool))
    assert done.returncode == 0, done.stdout + done.stderr


def _ready(prometheus: Prometheus, process: subprocess.Popen[bytes], log: Path) -> Prometheus:
    end = time.monotonic() + 300
    while time.monotonic() < end and process.poll() is None:
        try:
            if requests.get(f"{prometheus.url}/-/ready", timeout=60).ok:
                return prometheus
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"Prometheus did not come up:\n{log.read_text()}")
