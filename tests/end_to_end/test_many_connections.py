"""The real web process and more connections than it may have: the idlest make room, and nothing spins."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.end_to_end.edge import BEARER, CHANNEL, SOURCE, Web, notification, running_web
from tests.end_to_end.machines import eventually

pytestmark = pytest.mark.timeout(300)

CONNECTIONS = 2100
HALF_A_HEADER = b"POST /webhook/alertmanager HTTP/1.1\r\nHost: bridge\r\n"
FILES = {"soft limit only": (1024, 20_000), "hard limit": (1024, 1024), "very few": (256, 256)}


@pytest.fixture
def many_files() -> Iterator[None]:
    """For the connections of this test itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4000:
        pytest.skip(f"only {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(params=list(FILES.values()), ids=list(FILES))
def web(request: pytest.FixtureRequest, tmp_path: Path, many_files: None) -> Iterator[Web]:
    soft, hard = request.param
    hard = min(hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    with running_web(tmp_path, CHANNEL + SOURCE, files=hard, soft_files=soft) as web:
        yield web


def flood(web: Web, stack: contextlib.ExitStack, sent: bytes, count: int = CONNECTIONS) -> list[socket.socket]:
    found = []
    for _ in range(count):
        connection = stack.enter_context(web.connect())
        with contextlib.suppress(OSError):  # it may have had to make room already
            connection.sendall(sent)
        found.append(connection)
    return found


@pytest.mark.parametrize("sent", [b"", HALF_A_HEADER], ids=["idle", "half a header"])
def test_who_comes_late_is_served_all_the_same(web: Web, sent: bytes) -> None:
    with requests.Session() as alertmanager, contextlib.ExitStack() as stack:
        assert notify(web, alertmanager, "before") == 200
        flood(web, stack, sent)
        assert [web.post(f"key {number}") for number in range(10)] == [200] * 10
        assert notify(web, alertmanager, "on a connection from before") == 200
        assert requests.get(f"{web.url}/-/healthy", timeout=30).status_code == 200
        used = web.cpu_seconds()
        time.sleep(5)  # what is measured is the time in which nothing happens
        assert web.cpu_seconds() - used < 1.5
    assert web.post("afterwards") == 200
    assert len(web.log().splitlines()) < 100
    assert not web.events("no_more_files")


def test_who_comes_late_is_served_though_all_others_have_the_right_token(web: Web) -> None:
    """As a source that makes a new connection for each webhook and closes none, or begins bodies that never come."""
    body = json.dumps(notification("kept")).encode()
    head = HALF_A_HEADER + f"Authorization: {BEARER['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for number in range(CONNECTIONS):
            connection = stack.enter_context(web.connect())
            connection.sendall(head + (b"" if number % 20 else body))
            assert number % 20 or connection.recv(65536)[:12] == b"HTTP/1.1 200"
        assert [web.post(f"key {number}") for number in range(10)] == [200] * 10


def notify(web: Web, session: requests.Session, key: str) -> int:
    body = notification(key)
    return session.post(f"{web.url}/webhook/alertmanager", json=body, headers=BEARER, timeout=30).status_code


def test_a_system_that_gives_no_more_files_is_borne(tmp_path: Path, many_files: None) -> None:
    """Fewer than the server counts on: accept() itself fails."""
    with running_web(tmp_path, CHANNEL + SOURCE, files=40) as web, contextlib.ExitStack() as stack:
        flood(web, stack, b"", 60)
        assert eventually(lambda: web.post("key")) == 200
        used = web.cpu_seconds()
        time.sleep(5)
        assert web.cpu_seconds() - used < 1.5
        assert 1 <= len(web.events("no_more_files")) <= 5
        assert len(web.log().splitlines()) < 100
