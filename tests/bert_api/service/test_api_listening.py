"""What the server refuses before the application sees it: answered as any other error, without what was sent."""

from __future__ import annotations

import http.client
import io
import json
import logging
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_api.service.listening import refusal
from bert_api.service.logs import JsonLines
from tests.bert_api.service.api_fakes import write_version
from tests.bert_api.service.api_process import Api, running_api


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("listening")
    write_version(folder / "versions", "1.0.0")
    with running_api(folder, BERT_API_MODELS=str(folder / "versions"), BERT_API_MAX_BODY="65536") as running:
        yield running


def send(api: Api, request: bytes) -> tuple[http.client.HTTPResponse, bytes]:
    """The answer and its body, of exactly these bytes."""
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer, answer.read()


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"POST /predict HTTP/1.1\r\ntell-tale\r\n\r\n", 400, "bad_request"),
        (b"tell-tale /predict HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"POST /predict HTTP/1.1\r\nContent-Length: tell-tale\r\n\r\n", 400, "bad_request"),
        (b"POST /predict HTTP/1.1\r\nContent-Length: 99000000\r\n\r\n", 413, "too_large"),
        (b"GET /model HTTP/1.1\r\nX-Long: " + b"tell-tale" * 40_000, 431, "headers_too_large"),
        (b"POST /predict HTTP/1.1\r\nTransfer-Encoding: tell-tale\r\n\r\n", 501, "transfer_encoding"),
    ],
    ids=["header", "method", "length", "body", "headers", "encoding"],
)
def test_what_the_server_refuses_is_a_problem_like_any_other(api: Api, request_: bytes, status: int, code: str) -> None:
    answer, body = send(api, request_)
    assert (answer.status, answer.getheader("Content-Type")) == (status, "application/json")
    problem = json.loads(body)
    assert (problem["error"], bool(problem["message"]), bool(problem["hint"])) == (code, True, True)
    assert b"tell-tale" not in body and "tell-tale" not in api.log()
    assert api.predict("a kind word").status_code == 200


def test_a_body_far_too_long_is_refused_in_the_same_words_as_one_slightly_too_long(api: Api) -> None:
    slightly, far = (
        send(api, b"POST /predict HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\n" + rest)
        for rest in (b"Content-Length: 70000\r\n\r\n" + b" " * 70_000, b"Content-Length: 99000000\r\n\r\n")
    )
    assert json.loads(slightly[1]) == json.loads(far[1])
    assert "65536 bytes" in json.loads(far[1])["message"]


LINE = st.binary(max_size=40).filter(lambda line: b"\n" not in line)


@settings(max_examples=150)
@given(
    start=LINE.filter(bytes.strip) | st.sampled_from([b"POST /predict HTTP/1.1", b"GET //%ff\xff HTTP/1.1"]),
    headers=st.lists(LINE | st.sampled_from([b"Content-Type: application/json", b"Expect: x"]), max_size=3),
    body=st.binary(max_size=40),
)
def test_any_request_gets_an_answer_that_blames_not_us(
    api: Api, start: bytes, headers: list[bytes], body: bytes
) -> None:
    closing = [b"Connection: close", b"Content-Length: %d" % len(body)]
    answer, _ = send(api, b"\r\n".join([start, *headers, *closing, b"", body]))
    assert answer.status < 500 or answer.status == 501


def test_a_fault_of_the_server_is_answered_as_one_of_the_application() -> None:
    assert json.loads(refusal(500, 1))["error"] == "our_fault"


def test_a_librarys_log_line_goes_without_what_it_is_filled_with() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    for name in ("waitress", "bert_api.service.app"):
        handler.emit(logging.LogRecord(name, logging.INFO, "", 0, "while serving %s", ("/tell-tale",), None))
    events = [json.loads(line)["event"] for line in written.getvalue().splitlines()]
    assert events == ["while serving %s", "while serving /tell-tale"]
