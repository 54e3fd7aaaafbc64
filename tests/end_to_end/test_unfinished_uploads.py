"""The real web process and bodies that are unwanted, that are too large, that never end: refused by their headers, and
all together bounded."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from werkzeug.security import generate_password_hash

from tests.end_to_end.edge import BEARER, CHANNEL, TOKEN, Web, notification, running_web
from tests.end_to_end.machines import eventually

pytestmark = pytest.mark.timeout(300)

UPLOADS, SIZE = 60, 8 * 10**6
BOUND = 40  #: MiB, what limits.buffered is by default
SLACK = 60  #: MiB for what 60 connections cost otherwise, and for the allocator
SECRET = secrets.token_hex(16)
SOURCES = f"""
sources:
  - {{name: prod, tokens: ["${{TOKEN}}"]}}
  - {{name: graf, type: grafana, hmac_secret: "${{SECRET}}"}}
web: {{users: {{ann: "{generate_password_hash("right", method="pbkdf2:sha256:1000")}"}}}}
"""
HOOK = "POST /webhook/alertmanager"
RIGHT = f"Authorization: Bearer {TOKEN}"
LONG = f"Content-Length: {SIZE}"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with running_web(tmp_path, CHANNEL + SOURCES, environment={"SECRET": SECRET}) as web:
        yield web


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(tmp_path_factory.mktemp("web"), CHANNEL + SOURCES, environment={"SECRET": SECRET}) as web:
        yield web


def head(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: bridge", *headers, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, str]:
    """The status and everything that comes until the other side ends it."""
    text = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            text += piece
    return int(text.split()[1]), text.decode()


def asked(web: Web, sent: bytes) -> tuple[int, str]:
    with web.connect() as connection:
        connection.sendall(sent)
        return answer(connection)


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (HOOK, [LONG], 401),
        (HOOK, [CHUNKED], 401),
        (HOOK, [LONG, "Authorization: Bearer wrong"], 401),
        (f"{HOOK}/prod", [CHUNKED, "Authorization: Basic d3Jvbmc6d3Jvbmc="], 401),
        (f"{HOOK}/nobody", [LONG, RIGHT], 404),
        ("POST /webhook/nothing", [LONG, RIGHT], 404),
        ("PUT /webhook/alertmanager", [LONG, RIGHT], 405),
        ("GET /webhook/alertmanager", [LONG, RIGHT], 405),
        (HOOK, ["Content-Length: 33554433", RIGHT], 413),
        (HOOK, [f"Content-Length: {10**18}", RIGHT], 413),
        (HOOK, [LONG, RIGHT, "Content-Encoding: gzip"], 415),
        ("POST /webhook/grafana", [LONG], 403),
        ("POST /webhook/cloud-monitoring", [LONG], 404),
        ("POST /events/change", [LONG], 401),
        ("POST /events/change", [CHUNKED, "Authorization: Bearer wrong"], 401),
        ("POST /events/change", ["Content-Length: 65537", RIGHT], 413),
        ("POST /-/reload", [LONG], 401),
        ("POST /-/reload", [CHUNKED, "Authorization: Basic YW5uOnJpZ2h0"], 200),
        ("POST /-/reload", [LONG, "Origin: http://evil.example"], 403),
        ("POST /", [LONG], 405),
        ("POST /api/v1/incidents", [CHUNKED], 405),
        ("GET /", [LONG], 401),
        ("GET /-/healthy", [LONG], 200),
        ("GET /metrics", [CHUNKED], 200),
        ("POST /nowhere", [LONG], 404),
    ],
)
def test_what_the_headers_decide_is_answered_before_the_body_comes(
    shared: Web, line: str, headers: list[str], status: int
) -> None:
    code, text = asked(shared, head(line, *headers))
    assert status == code, text
    assert "connection: close" in text.lower()


def test_a_client_that_asks_first_is_refused_without_sending(shared: Web) -> None:
    code, text = asked(shared, head(HOOK, LONG, "Expect: 100-continue"))
    assert code == 401 and "100 Continue" not in text


def test_a_client_that_asks_first_and_may_send_is_answered_100(shared: Web) -> None:
    body = json.dumps(notification("asked first")).encode()
    with shared.connect() as connection:
        connection.sendall(head(HOOK, f"Content-Length: {len(body)}", RIGHT, "Expect: 100-continue"))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(65536)[:12] == b"HTTP/1.1 200"


def test_an_answer_that_comes_early_is_read_by_a_client_that_sends_all_the_same(shared: Web) -> None:
    for _ in range(3):
        answered = requests.post(f"{shared.url}/webhook/alertmanager", data=b"x" * SIZE, timeout=60)
        assert (answered.status_code, answered.headers["Connection"]) == (401, "close")


def test_a_body_is_never_taken_for_another_request(shared: Web) -> None:
    inner = head("GET /metrics")
    code, text = asked(shared, head(HOOK, f"Content-Length: {len(inner)}") + inner)
    assert (code, text.count("HTTP/1.1 ")) == (401, 1)


def test_a_body_in_chunks_that_grows_too_large_is_refused_counted_and_logged(web: Web) -> None:
    web.reload(CHANNEL + SOURCES + "limits: {body: 1MiB}\n")
    before = web.count("bridge_webhooks_received_total", source="prod", outcome="too_large")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    code, _ = asked(web, head(HOOK, CHUNKED, RIGHT) + chunk * 20)
    assert code == 413
    assert asked(web, head(HOOK, "Content-Length: 1048577", RIGHT))[0] == 413
    assert web.count("bridge_webhooks_received_total", source="prod", outcome="too_large") == before + 2
    logged = [(line["source"], line["size"], line["limit"]) for line in web.events("webhook refused")]
    assert logged == [("prod", None, 2**20), ("prod", 2**20 + 1, 2**20)]
    web.reload(CHANNEL + SOURCES + "limits: {body: 2MiB}\n")
    body = json.dumps(notification("large", alerts=1, padding=2**20 + 2**17)).encode()
    assert requests.post(f"{web.url}/webhook/alertmanager", data=body, headers=BEARER, timeout=60).status_code == 200


@pytest.mark.parametrize(
    "frames",
    [b"1\r\nx\r\n" * 10_000, b"1;" + b"a" * 2**16, b"0" * 2**16, b"1\r\nx\r\n0\r\n" + b"A: b\r\n" * 10_000],
    ids=["tiny chunks", "extension", "size", "trailers"],
)
def test_what_is_around_a_body_is_bounded(web: Web, frames: bytes) -> None:
    before, used = web.memory(), web.cpu_seconds()
    with web.connect(60) as upload:
        upload.sendall(head(HOOK, CHUNKED, RIGHT))
        with contextlib.suppress(OSError):  # it is refused meanwhile
            for _ in range(500):
                upload.sendall(frames)
        assert answer(upload)[0] == 413
    assert web.memory() - before < 20
    assert web.cpu_seconds() - used < 10


@pytest.mark.parametrize("headers", [[], ["Authorization: Bearer wrong"], [RIGHT]], ids=["none", "wrong", "right"])
def test_many_unfinished_uploads_are_bounded_and_shut_out_no_other(web: Web, headers: list[str]) -> None:
    before = web.memory()
    body = json.dumps(notification("unfinished", padding=SIZE)).encode()
    sent = head(HOOK, f"Content-Length: {len(body)}", *headers) + body[:-1]
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        uploads = [stack.enter_context(web.connect(60)) for _ in range(UPLOADS)]
        sending = [pool.submit(upload_all, upload, sent) for upload in uploads]
        assert [web.post(f"meanwhile {number}") for number in range(5)] == [200] * 5
        assert all(each.result() for each in sending)
        assert [web.post(f"afterwards {number}") for number in range(5)] == [200] * 5
        assert web.memory() - before < BOUND + SLACK
        codes = [code_of(upload) for upload in uploads]
        if headers != [RIGHT]:
            assert codes == [401] * UPLOADS
            return
        waiting = [upload for upload, code in zip(uploads, codes, strict=True) if code is None]
        assert {None, 503} == set(codes) and len(waiting) * SIZE < (BOUND + 1) * 2**20
        for upload in waiting:
            upload.sendall(body[-1:])
        assert {eventually(lambda each=upload: code_of(each)) for upload in waiting} == {200}  # type: ignore[misc]


def upload_all(connection: socket.socket, sent: bytes) -> bool:
    connection.sendall(sent)
    return True


def code_of(connection: socket.socket) -> int | None:
    """None while there is no answer."""
    connection.settimeout(0.2)
    try:
        text = connection.recv(65536)
    except TimeoutError:
        return None
    assert b"Retry-After: 1" in text or not text.startswith(b"HTTP/1.1 503")
    return int(text.split()[1])


def test_uploads_that_only_a_signature_would_prove_leave_room_for_the_others(web: Web) -> None:
    before = web.memory()
    signed = ["X-Grafana-Alerting-Signature: " + "0" * 64]
    with contextlib.ExitStack() as stack:
        for _ in range(UPLOADS):
            upload = stack.enter_context(web.connect(60))
            upload.sendall(head("POST /webhook/grafana", LONG, *signed) + b"x" * (SIZE - 1))
        assert web.memory() - before < BOUND + SLACK
        large = json.dumps(notification("large", alerts=1000, padding=20_000)).encode()
        answered = requests.post(f"{web.url}/webhook/alertmanager", data=large, headers=BEARER, timeout=60)
        assert answered.status_code == 200, answered.text


def test_an_upload_that_is_given_up_leaves_its_room(web: Web) -> None:
    body = json.dumps(notification("large", padding=30 * 10**6)).encode()
    for _ in range(4):
        with web.connect(60) as upload:
            upload.sendall(head(HOOK, f"Content-Length: {len(body)}", RIGHT) + body[:-1])
    for _ in range(4):
        answered = requests.post(f"{web.url}/webhook/alertmanager", data=body, headers=BEARER, timeout=60)
        assert answered.status_code == 200, answered.text


def test_twelve_thousand_alerts_in_one_webhook_are_taken_as_the_file_is_shipped(web: Web) -> None:
    before, body = web.memory(), json.dumps(notification("storm", alerts=12_000, padding=750)).encode()
    assert len(body) > 10 * 2**20
    answered = requests.post(f"{web.url}/webhook/alertmanager", data=body, headers=BEARER, timeout=120)
    assert (answered.status_code, answered.json()["outcome"]) == (200, "opened")
    assert web.peak_memory() - before < 300
    login = ("ann", "right")
    (incident,) = requests.get(f"{web.url}/api/v1/incidents", auth=login, timeout=60).json()["incidents"]
    assert incident["alerts_firing"] == 12_000
    assert "And 11,950 more" in requests.get(f"{web.url}/incidents/1", auth=login, timeout=60).text
