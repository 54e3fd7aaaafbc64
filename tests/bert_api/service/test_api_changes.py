"""The change webhook: told, retried, given up, and never in the way."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_fakes import wait_until
from api_process import running_api

from bert_api.service.changes import Change, ChangeWebhook

CHANGE = Change("deploy", "minilm", "1.1.0", "1.0.0", "2026-01-02T03:04:05+00:00", "ada@host")
SOON = (0.0, 0.0, 0.0)


class Receiver(http.server.ThreadingHTTPServer):
    """Answers with the statuses it was given, the last one for ever; `gate` holds its answers back."""

    daemon_threads = True

    def __init__(self) -> None:
        self.statuses, self.bodies, self.tokens = [200], list[dict[str, Any]](), list[str | None]()
        self.gate = threading.Event()
        self.gate.set()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/events/change"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.tokens.append(self.headers["Authorization"])
        self.server.gate.wait(20)
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.send_header("Content-Length", "0")
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.gate.set()
        server.shutdown()
        thread.join()


def test_a_change_is_told_with_its_facts_and_token(receiver: Receiver) -> None:
    webhook = ChangeWebhook(receiver.url, "hush")
    webhook.tell(CHANGE)
    assert webhook.finish(20)
    assert receiver.tokens == ["Bearer hush"]
    assert receiver.bodies == [
        {
            "kind": "deploy",
            "model": "minilm",
            "version": "1.1.0",
            "previous": "1.0.0",
            "at": "2026-01-02T03:04:05+00:00",
            "by": "ada@host",
            "service": "toxicity-api",
        }
    ]


def test_what_may_pass_is_tried_again(receiver: Receiver) -> None:
    receiver.statuses = [503, 429, 200]
    webhook = ChangeWebhook(receiver.url, waits=SOON)
    webhook.tell(CHANGE)
    assert webhook.finish(20)
    assert len(receiver.bodies) == 3


@pytest.mark.parametrize(("status", "tries"), [(500, 4), (400, 1), (401, 1), (302, 1)])
def test_it_gives_up_at_last_and_at_once_where_trying_is_no_use(receiver: Receiver, status: int, tries: int) -> None:
    receiver.statuses = [status]
    webhook = ChangeWebhook(receiver.url, waits=SOON)
    webhook.tell(CHANGE)
    assert not webhook.finish(20)
    assert len(receiver.bodies) == tries


def test_nobody_listening_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    webhook = ChangeWebhook("http://127.0.0.1:1/token-in-path", waits=SOON)
    webhook.tell(CHANGE)
    assert not webhook.finish(20)
    assert "token-in-path" not in caplog.text


def test_telling_returns_before_the_receiver_has_answered(receiver: Receiver) -> None:
    receiver.gate.clear()
    webhook = ChangeWebhook(receiver.url)
    webhook.tell(CHANGE)
    wait_until(lambda: receiver.bodies)
    assert not webhook.finish(0)
    receiver.gate.set()
    assert webhook.finish(20)


def test_without_an_address_it_is_silent() -> None:
    webhook = ChangeWebhook("")
    webhook.tell(CHANGE)
    assert webhook.finish(0)


def test_deploy_and_rollback_tell_who_did_what_and_once(receiver: Receiver, tmp_path: Path, shipped: Path) -> None:
    receiver.statuses = [503, 200]
    with running_api(tmp_path, BERT_API_MODELS=str(shipped), CHANGE_WEBHOOK_URL=receiver.url) as api:
        assert api.command("deploy", "1.1.0").returncode == 0
        api.wait_for_version("1.1.0")
        assert api.command("rollback").returncode == 0
        api.wait_for_version("1.0.0")
    told = [(each["kind"], each["model"], each["version"], each["previous"]) for each in receiver.bodies[1:]]
    assert told == [("deploy", "fake", "1.1.0", "1.0.0"), ("rollback", "fake", "1.0.0", "1.1.0")]
    assert "@" in receiver.bodies[1]["by"]


def test_a_webhook_that_is_down_does_not_stop_a_deploy(tmp_path: Path, shipped: Path, receiver: Receiver) -> None:
    receiver.statuses = [400]
    with running_api(tmp_path, BERT_API_MODELS=str(shipped), CHANGE_WEBHOOK_URL=receiver.url) as api:
        done = api.command("deploy", "1.1.0")
        assert (done.returncode, "the change itself is done" in done.stderr) == (0, True)
        api.wait_for_version("1.1.0")
