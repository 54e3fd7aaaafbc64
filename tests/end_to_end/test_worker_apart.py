"""A web and a worker as processes of their own: each answers for itself."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import requests

from dev.stack.free_port import free_port
from tests.end_to_end.machines import ROOT, eventually
from tests.end_to_end.webhooks import answer

pytestmark = pytest.mark.timeout(180)
SECRET = "s3cret-of-the-worker"
ROUTES = """
channels:
  chat: {type: email, smarthost: "127.0.0.1:9", from: a@x.org, to: [b@x.org], tls: none,
         username: u, password: "${PASSWORD}"}
route: {notify: [chat]}
"""
TRIED = 'bridge_delivery_attempts_total{channel="chat",result="network"}'


@dataclass
class Halves:
    folder: Path
    web: str
    worker: str
    process: subprocess.Popen[bytes]  #: the worker's

    def metrics(self, url: str) -> str:
        return requests.get(f"{url}/metrics", timeout=10).text

    def tries(self) -> float:
        found = [line for line in self.metrics(self.worker).splitlines() if line.startswith(f"{TRIED} ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0


@contextlib.contextmanager
def half(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "bridge", *words, "--config", str(folder / "routes.yaml")]
    command += ["--database", f"sqlite:///{folder}/bridge.db"]
    with (folder / f"{words[0]}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PASSWORD": SECRET}, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(40)


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/healthy", timeout=2).ok
    except requests.RequestException:
        return False


@pytest.fixture
def halves(tmp_path: Path) -> Iterator[Halves]:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    web, worker = (f"127.0.0.1:{free_port()}" for _ in range(2))
    with half(tmp_path, "web", "--listen", web), half(tmp_path, "worker", "--metrics-listen", worker) as process:
        halves = Halves(tmp_path, f"http://{web}", f"http://{worker}", process)
        for url in (halves.web, halves.worker):
            eventually(partial(answers, url))
        yield halves


def test_idle_connections_shut_out_no_probe(halves: Halves) -> None:
    host, port = halves.worker.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        for number in range(400):
            each = stack.enter_context(socket.create_connection((host, int(port)), 60))
            each.sendall(b"GET /metrics HTTP/1.1\r\n")
            if number > 90 and number % 5 == 0:  # while room is made
                assert requests.get(f"{halves.worker}/-/healthy", timeout=60).ok
        assert requests.get(f"{halves.worker}/metrics", timeout=60).ok


def test_a_worker_exports_what_it_did_and_the_web_what_it_took_in(halves: Halves) -> None:
    assert answer(halves.web, 1) == 200
    eventually(halves.tries)
    worker, web = halves.metrics(halves.worker), halves.metrics(halves.web)
    assert 'process="worker"' in worker and 'process="web"' not in worker
    assert 'process="web"' in web and 'process="worker"' not in web
    assert 'bridge_config_last_reload_successful{process="worker"} 1.0' in worker
    assert "_created" not in worker + web
    assert "bridge_store_up" in web and "bridge_store_up" not in worker
    shown = worker + requests.get(f"{halves.worker}/-/healthy", timeout=5).text
    assert SECRET not in shown + (halves.folder / "worker.log").read_text()


def test_a_worker_that_is_frozen_answers_no_probe_until_it_goes_on(halves: Halves) -> None:
    halves.process.send_signal(signal.SIGSTOP)
    eventually(lambda: not answers(halves.worker))
    halves.process.send_signal(signal.SIGCONT)
    eventually(lambda: requests.get(f"{halves.worker}/-/healthy", timeout=5).ok)


def test_a_worker_whose_database_is_gone_lives_and_waits_for_it(halves: Halves) -> None:
    """To begin anew would mend nothing. One that is still starting, and answers probes already, does."""
    eventually(lambda: "worker_ready" in (halves.folder / "worker.log").read_text())
    file = halves.folder / "bridge.db"
    file.rename(halves.folder / "aside")
    eventually(lambda: "store_unavailable" in (halves.folder / "worker.log").read_text())
    assert requests.get(f"{halves.worker}/-/healthy", timeout=5).ok
    assert halves.process.poll() is None
    (halves.folder / "aside").rename(file)


def test_requests_that_never_end_keep_no_probe_out(halves: Halves) -> None:
    place = ("127.0.0.1", int(halves.worker.rpartition(":")[2]))
    with contextlib.ExitStack() as open_ones:
        for _ in range(50):
            stalled = open_ones.enter_context(socket.create_connection(place, timeout=30))
            stalled.sendall(b"GET /-/heal")
        assert requests.get(f"{halves.worker}/-/healthy", timeout=30).ok


def test_an_address_that_is_taken_is_reported_in_words(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with half(tmp_path, "worker", "--metrics-listen", place) as process:
            assert process.wait(60) == 2
    log = (tmp_path / "worker.log").read_text()
    assert f"cannot listen on {place}" in log and "Traceback" not in log
