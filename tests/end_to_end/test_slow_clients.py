"""The real web process, and many who begin requests without ever ending them."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from dev.stack.free_port import free_port
from tests.end_to_end.machines import ROOT, eventually
from tests.end_to_end.webhooks import answer

HEAD = b"POST /webhook/alertmanager HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\n"
STALLED = {
    "in the request line": b"POST /webh",
    "in the head": HEAD,
    "in the body": HEAD + b"Content-Length: 100000\r\n\r\n" + b'{"version"',
    "in a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    "with nothing": b"",
}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of `bridge web` alone; its files are enough for a large number of connections."""
    config = tmp_path / "routes.yaml"
    config.write_text(
        'channels: {chat: {type: email, smarthost: "127.0.0.1:9", from: a@x.org, to: [b@x.org], tls: none}}'
        "\nroute: {notify: [chat]}\n"
    )
    port = free_port()
    command = [sys.executable, "-m", "bridge", "web", "--config", str(config), "--listen", f"127.0.0.1:{port}"]
    command += ["--database", f"sqlite:///{tmp_path}/bridge.db"]
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: requests.get(f"{url}/-/healthy", timeout=60).ok)
        yield url
    finally:
        process.terminate()
        process.wait(300)


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4000:
        pytest.skip(f"only {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("count", [200, 1200])
def test_clients_that_never_end_their_requests_stop_no_other(many_files: None, web: str, count: int) -> None:
    """1,200 is more than select() can watch."""
    place = ("127.0.0.1", int(web.rpartition(":")[2]))
    with contextlib.ExitStack() as open_ones:
        for number in range(count):
            stalled = open_ones.enter_context(socket.create_connection(place, timeout=60))
            stalled.sendall(list(STALLED.values())[number % len(STALLED)])
        assert [answer(web, number) for number in range(5)] == [200] * 5
        assert requests.get(f"{web}/-/healthy", timeout=60).status_code == 200
    assert answer(web, 6) == 200
