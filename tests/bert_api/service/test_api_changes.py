"""The change webhook: notified, retried, given up, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from bert_api.service.changes import Change, ChangeWebhook
from tests.bert_api.service.api_fakes import wait_until
from tests.bert_api.service.api_process import running_api
from tests.bert_api.service.api_receiver import Receiver

CHANGE = Change("deploy", "minilm", "1.1.0", "1.0.0", "2026-01-02T03:04:05+00:00", "ada@host")
SOON = (0.0, 0.0, 0.0)


def test_a_change_is_posted_with_its_facts_and_token(receiver: Receiver) -> None:
    webhook = ChangeWebhook(receiver.url, "hush")
    webhook.notify(CHANGE)
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
    webhook.notify(CHANGE)
    assert webhook.finish(20)
    assert len(receiver.bodies) == 3


@pytest.mark.parametrize(("status", "tries"), [(500, 4), (400, 1), (401, 1), (302, 1)])
def test_it_gives_up_at_last_and_at_once_where_trying_is_no_use(receiver: Receiver, status: int, tries: int) -> None:
    receiver.statuses = [status]
    webhook = ChangeWebhook(receiver.url, waits=SOON)
    webhook.notify(CHANGE)
    assert not webhook.finish(20)
    assert len(receiver.bodies) == tries


def test_a_receiver_that_does_not_listen_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    webhook = ChangeWebhook("http://127.0.0.1:1/token-in-path", waits=SOON)
    webhook.notify(CHANGE)
    assert not webhook.finish(20)
    assert "token-in-path" not in caplog.text


def test_notifying_returns_before_the_receiver_has_answered(receiver: Receiver) -> None:
    receiver.gate.clear()
    webhook = ChangeWebhook(receiver.url)
    webhook.notify(CHANGE)
    wait_until(lambda: receiver.bodies)
    assert not webhook.finish(0)
    receiver.gate.set()
    assert webhook.finish(20)


def test_without_an_address_it_is_silent() -> None:
    webhook = ChangeWebhook("")
    webhook.notify(CHANGE)
    assert webhook.finish(0)


def test_deploy_and_rollback_post_who_did_what_and_once(receiver: Receiver, tmp_path: Path, shipped: Path) -> None:
    receiver.statuses = [503, 200]
    with running_api(tmp_path, BERT_API_MODELS=str(shipped), CHANGE_WEBHOOK_URL=receiver.url) as api:
        assert api.command("deploy", "1.1.0").returncode == 0
        api.wait_for_version("1.1.0")
        assert api.command("rollback").returncode == 0
        api.wait_for_version("1.0.0")
    posted = [(each["kind"], each["model"], each["version"], each["previous"]) for each in receiver.bodies[1:]]
    assert posted == [("deploy", "fake", "1.1.0", "1.0.0"), ("rollback", "fake", "1.0.0", "1.1.0")]
    assert "@" in receiver.bodies[1]["by"]


def test_a_webhook_that_is_down_does_not_stop_a_deploy(tmp_path: Path, shipped: Path, receiver: Receiver) -> None:
    receiver.statuses = [400]
    with running_api(tmp_path, BERT_API_MODELS=str(shipped), CHANGE_WEBHOOK_URL=receiver.url) as api:
        done = api.command("deploy", "1.1.0")
        assert (done.returncode, "the change itself is done" in done.stderr) == (0, True)
        api.wait_for_version("1.1.0")
