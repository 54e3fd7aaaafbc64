"""A real process of the API on a free port of loopback, its log in a file, ended by its caller."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from dev.stack.free_port import free_port

ROOT = Path(__file__).resolve().parents[3]
FAKE = (sys.executable, str(Path(__file__).with_name("api_fakes.py")))
REAL = (sys.executable, "-m", "bert_api", "serve")


@dataclass
class Api:
    url: str
    popen: subprocess.Popen[bytes]
    log_file: Path
    environment: dict[str, str]

    def log(self) -> str:
        return self.log_file.read_text()

    def ready_version(self) -> str | None:
        with contextlib.suppress(requests.ConnectionError):
            answer = requests.get(f"{self.url}/readyz", timeout=60)
            return str(answer.json()["model_version"]) if answer.ok else None
        return None

    def wait_for_version(self, version: str | None = None) -> None:
        """Any version when none is named."""
        deadline = time.monotonic() + 300
        while (seen := self.ready_version()) is None or version not in (None, seen):
            assert self.popen.poll() is None, self.log()
            assert time.monotonic() < deadline, f"serves {seen}, not {version}: {self.log()}"
            time.sleep(0.05)

    def predict(self, text: str) -> requests.Response:
        return requests.post(f"{self.url}/predict", json={"text": text}, timeout=60)

    def scrape(self) -> str:
        return requests.get(f"{self.url}/metrics", timeout=60).text

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """python -m bert_api ..., with the same settings."""
        return subprocess.run(
            [sys.executable, "-m", "bert_api", *words],
            env=self.environment,
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=800,
        )

    def ask_to_end(self) -> None:
        self.popen.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def running_api(folder: Path, argv: Sequence[str] = FAKE, **settings: str) -> Iterator[Api]:
    """Ready when it is handed out. `folder` takes the state and the log."""
    port = free_port()
    listen = {"BERT_API_LISTEN": f"127.0.0.1:{port}", "BERT_API_STATE": str(folder / "state")}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **listen, **settings}
    log_file = folder / "api.log"
    with log_file.open("wb") as log:
        popen = subprocess.Popen(argv, env=environment, cwd=ROOT, stdout=log, stderr=log)
    api = Api(f"http://127.0.0.1:{port}", popen, log_file, environment)
    try:
        api.wait_for_version()
        yield api
    finally:
        popen.kill()
        popen.wait()
