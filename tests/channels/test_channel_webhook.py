"""The webhook channel: what is posted, how it is signed, and the receiver of docs/webhook-channel.md."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.channels.webhook.payload import MAX_BYTES, NO_END, payload_of
from bridge.channels.webhook.signature import named, signed
from bridge.core.errors import Reason, SendError
from bridge.core.facts import ChangeEvent, Context, Fact, Hypothesis, Part, Unit, Unknown
from bridge.core.model import Alert, Severity, Status
from bridge.core.ports import Claim, Message
from dev.sandbox.running import RunningSandbox, running_sandbox
from tests.channels.channel_builders import AT, BEARER, SIGNING, a_claim, a_message, a_webhook, an_entry
from tests.channels.hostile_vendor import answering, running_vendor
from tests.channels.sending import send

PAGE = (Path(__file__).parents[2] / "docs" / "webhook-channel.md").read_text()
CONTEXT = Context(
    AT,
    facts=(Fact("errors", "Errors", Unit.RATIO, float("nan"), AT, parts=(Part("pod-1", 0.5),)),),
    unknown=(Unknown("Latency", "Prometheus did not answer within 1.5 s"),),
    changes=(ChangeEvent("deploy", "api", AT, "api v2 was deployed", version="v2"),),
    hypothesis=Hypothesis("version", "v2 fails", ("5 % of v2",)),
)


def an_alert(number: int = 0, **changes: Any) -> Alert:
    labels = {"alertname": "HighLatency", "severity": "critical", "pod": f"api-{number}"}
    alert = Alert(f"{number:016x}", Status.FIRING, labels, {"summary": "slow", "why": f"it is {number}"}, AT)
    return replace(alert, **changes)


def claimed(*alerts: Alert, **changes: Any) -> Claim:
    by_fingerprint = {each.fingerprint: each for each in alerts}
    times: dict[str, Any] = {"opened_at": AT, "updated_at": AT + timedelta(hours=1), "began_at": AT}
    incident = replace(a_claim().incident, alerts=by_fingerprint, group_labels={"a": "b"}, **times)
    return a_claim(incident=incident, **changes)


def payload(claim: Claim, message: Message | None = None) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(payload_of(message or a_message(), claim, "hook")))
    return made


def test_it_is_alertmanagers_own_webhook() -> None:
    ended = an_alert(2, status=Status.RESOLVED, ends_at=AT + timedelta(minutes=5), generator_url="http://prom/graph")
    body = payload(claimed(an_alert(1), ended))
    assert tuple(body[key] for key in ("version", "status", "receiver", "truncatedAlerts")) == (
        "4",
        "firing",
        "hook",
        0,
    )
    assert body["groupLabels"] == {"a": "b"}
    assert body["commonLabels"] == {"alertname": "HighLatency", "severity": "critical"}
    assert body["commonAnnotations"] == {"summary": "slow"}
    first, second = body["alerts"]
    assert (first["status"], first["startsAt"], first["endsAt"]) == ("firing", "2026-11-23T10:00:00Z", NO_END)
    assert (second["status"], second["endsAt"]) == ("resolved", "2026-11-23T10:05:00Z")
    assert (second["generatorURL"], second["fingerprint"]) == ("http://prom/graph", f"{2:016x}")
    assert payload(claimed(ended), a_message(firing=False))["status"] == "resolved"


def test_another_bridge_takes_it_as_an_alertmanagers() -> None:
    from bridge.sources.alertmanager import parse

    group = parse(json.dumps(payload(claimed(an_alert(1), an_alert(2)))).encode(), "bridge")
    assert [alert.labels["pod"] for alert in group.alerts] == ["api-1", "api-2"]


def test_an_alert_has_its_severity_in_the_bridges_words() -> None:
    labels = {"alertname": "HighLatency", "severity": "page"}
    (alert,) = payload(claimed(an_alert(labels=labels, severity=Severity.CRITICAL)))["alerts"]
    assert (alert["labels"]["severity"], alert["severity"]) == ("page", "critical")


def test_an_end_that_is_deferred_is_still_firing() -> None:
    (alert,) = payload(claimed(an_alert(status=Status.RESOLVED, ends_at=AT, deferred=True)))["alerts"]
    assert (alert["status"], alert["endsAt"]) == ("firing", NO_END)


def test_what_the_bridge_knows_besides() -> None:
    news = (an_entry(1, "1 alert started firing"),)
    incident = payload(claimed(an_alert()), a_message(context=CONTEXT, news=news))["incident"]
    assert tuple(incident[key] for key in ("number", "uid", "revision", "state", "severity")) == (
        7,
        "u7",
        1,
        "open",
        "critical",
    )
    assert [each["text"] for each in incident["news"]] == ["1 alert started firing"]
    assert incident["links"] == [{"text": "Runbook", "href": "https://run.example/a?x=1&y=2"}]
    context = incident["context"]
    cause = {"rule": "version", "confidence": "possible", "text": "v2 fails", "short": "", "evidence": ["5 % of v2"]}
    assert context["hypothesis"] == cause
    assert (context["onset"], context["looked_at"], context["changes_known"]) == (None, [], False)
    assert [each["version"] for each in context["changes"]] == ["v2"]
    assert context["unknown"] == [{"title": "Latency", "why": "Prometheus did not answer within 1.5 s"}]
    assert context["facts"][0]["parts"] == [{"name": "pod-1", "value": 0.5, "of": None}]
    assert payload(claimed(an_alert()))["incident"]["context"] is None


def test_every_field_of_the_page_is_there_and_no_other() -> None:
    body = payload(claimed(an_alert()), a_message(context=CONTEXT))
    table = PAGE.partition("## The body")[2].partition("## Your answers")[0]
    every = set(
        re.findall(r"`([A-Za-z_.\[\]]+)`", "".join(line.split("|")[1] for line in re.findall(r"^\|.*", table, re.M)))
    )
    ours = {name.removeprefix("incident").removeprefix(".").removesuffix("[]") for name in every if name[0] in "i."}
    assert set(body["incident"]) == ours
    assert set(body) - {"incident"} == {name.removesuffix("[]") for name in every if name[0] not in "i."}
    in_alerts = next(line for line in table.splitlines() if line.startswith("| `alerts[]`"))
    assert set(body["alerts"][0]) <= set(re.findall(r"`(\w+)`", in_alerts))


def test_a_thousand_large_alerts_are_cut_to_what_fits_and_counted() -> None:
    every = [an_alert(number, annotations={"description": "ä😀\x01" * 500}) for number in range(1000)]
    body = payload_of(a_message(truncated=3), claimed(*every), "hook")
    raw = len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    assert 0.9 * MAX_BYTES < raw <= MAX_BYTES * 1.001
    assert body["truncatedAlerts"] == 3 + 1000 - len(body["alerts"])
    assert body["alerts"][0]["labels"]["pod"] == "api-0"


def test_the_smallest_has_one_alert_with_short_texts() -> None:
    large = [an_alert(number, annotations={"description": "x" * 10_000}) for number in range(3)]
    body = payload_of(a_message(context=CONTEXT), claimed(*large, shrink=True), "hook")
    assert (len(body["alerts"]), body["truncatedAlerts"], body["incident"]["context"]) == (1, 2, None)
    assert len(json.dumps(body)) < 20_000


def test_the_signature_is_over_time_and_body_and_both_secrets_sign_while_one_is_changed() -> None:
    headers = signed(b'{"a": 1}', 1000, ("new", "old"))
    right = [hmac.new(each, b'1000.{"a": 1}', hashlib.sha256).hexdigest() for each in (b"new", b"old")]
    assert headers == {"X-Bridge-Timestamp": "1000", "X-Bridge-Signature": f"v1={right[0]},v1={right[1]}"}
    assert signed(b"", 1000, ()) == {"X-Bridge-Timestamp": "1000"}
    assert named("u:hook", 3) == {"X-Bridge-Delivery": "u:hook", "Idempotency-Key": "u:hook:3"}


@pytest.mark.parametrize("secrets", [{"secret": "new"}, {"secret": "newer", "previous_secret": "new"}])
def test_a_receiver_with_the_secret_takes_it_and_drops_what_comes_again(secrets: dict[str, Any]) -> None:
    with running_sandbox(webhook_secrets=("new",)) as sandbox:
        for revision in (1, 1, 2):
            send(a_webhook(sandbox.webhook_url, **secrets), a_message(revision=revision))
        (first, second) = sandbox.state["webhook"]["deliveries"]
    assert [(each["key"], each["copies"]) for each in (first, second)] == [("u7:c:1", 2), ("u7:c:2", 1)]


def test_a_receiver_with_another_secret_makes_the_channel_wait() -> None:
    with running_sandbox(webhook_secrets=("other",)) as sandbox, pytest.raises(SendError) as caught:
        send(a_webhook(sandbox.webhook_url))
    assert caught.value.reason is Reason.CREDENTIAL
    assert "no signature in X-Bridge-Signature fits" in caught.value.detail


def test_a_refusal_is_reported_without_the_secrets_that_it_repeats() -> None:
    body = f"I know {SIGNING} and {BEARER}\nbut not\x00 this".encode()
    with (
        running_vendor(answering("403 No", body, "Content-Type: text/plain")) as vendor,
        pytest.raises(SendError) as caught,
    ):
        send(a_webhook(vendor.url()))
    assert caught.value.detail == "HTTP 403: I know *** and *** but not this"


def test_an_end_is_not_sent_to_a_receiver_that_never_saw_the_start(vendors: RunningSandbox) -> None:
    receipt = send(a_webhook(vendors.webhook_url), a_message(firing=False))
    assert (receipt.skipped, vendors.summary["webhook"]["deliveries"]) == (True, 0)
    send(a_webhook(vendors.webhook_url), a_message(firing=False), a_claim(sent=1))
    assert vendors.summary["webhook"]["deliveries"] == 1


@pytest.mark.parametrize(
    ("login", "sent"),
    [
        ({"token": "t0ken"}, "Bearer t0ken"),
        ({"token": None, "basic_auth": {"username": "ann", "password": "pass"}}, "Basic YW5uOnBhc3M="),
        ({"token": None}, None),
    ],
)
def test_its_credential_is_sent(login: dict[str, Any], sent: str | None) -> None:
    headers = a_webhook(**login)._headers(b"", a_message())
    assert headers.get("Authorization") == sent


@contextmanager
def the_pages_receiver(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (folder / "receiver.py").write_text(code)
    environ = {**os.environ, "WEBHOOK_SECRET": SIGNING, "PORT": "0"}
    with subprocess.Popen(
        [sys.executable, str(folder / "receiver.py")], env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            port = process.stdout.readline().rsplit(" ", 1)[1].strip()
            yield f"http://127.0.0.1:{port}/incidents", process
        finally:
            process.kill()


def test_the_receiver_of_the_page_works_as_the_page_says(tmp_path: Path) -> None:
    with the_pages_receiver(tmp_path) as (url, process):
        for _ in range(2):
            send(a_webhook(url))
        send(
            a_webhook(url, secret="the new one, not yet known", previous_secret=SIGNING), a_message(number=8, uid="u8")
        )
        with pytest.raises(SendError) as caught:
            send(a_webhook(url, secret="another"))
        assert caught.value.reason is Reason.CREDENTIAL
        process.kill()
        assert process.stdout is not None
        assert process.stdout.read().splitlines() == ["#7 open: HighLatency c1", "#8 open: HighLatency c1"]
