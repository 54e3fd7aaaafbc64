"""What each channel does over an incident's life, against the sandbox."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.channels.email.connection import MailConnection
from bridge.core.errors import Reason, SendError
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import State, Target
from bridge.core.ports import Receipt
from bridge.outbound.greenlets import run_blocking
from bridge.rendering.renderer import Renderer
from dev.sandbox.running import RunningSandbox, running_sandbox
from tests.builders import a_group, an_alert
from tests.channels.channel_builders import PASSWORD, a_claim, a_message, a_pagerduty, a_slack, an_email, an_entry
from tests.channels.sending import send, send_all


def slack_messages(vendors: RunningSandbox) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = vendors.state["slack"]["channels"]["alerts"]["messages"]
    return found


def actions(vendors: RunningSandbox) -> list[str]:
    return [event["event_action"] for event in vendors.state["pagerduty"]["events"]]


def test_pagerduty_triggers_acknowledges_resolves(vendors: RunningSandbox) -> None:
    handle = send(a_pagerduty(vendors.http_url)).handle
    acknowledged = a_message(revision=2, state=State.ACKNOWLEDGED)
    begun = send(a_pagerduty(vendors.http_url), acknowledged, a_claim(handle=handle))
    assert (begun.handle, begun.unfinished) == ({"state": "acknowledging"}, True)
    handle = send(a_pagerduty(vendors.http_url), acknowledged, a_claim(handle=begun.handle)).handle
    handle = send(a_pagerduty(vendors.http_url), acknowledged, a_claim(handle=handle)).handle
    over = a_message(firing=False, state=State.RESOLVED)
    handle = send(a_pagerduty(vendors.http_url), over, a_claim(handle=handle)).handle
    assert handle == {"state": "resolved"}
    assert actions(vendors) == ["trigger", "trigger", "acknowledge", "trigger", "resolve"]
    assert vendors.state["pagerduty"]["pages"] == 1


def test_pagerduty_shows_since_when_the_alert_fires_and_not_when_the_bridge_received_it(
    vendors: RunningSandbox, tmp_path: Path
) -> None:
    now, started = datetime(2026, 11, 23, 12, tzinfo=UTC), datetime(2026, 11, 23, 11, 26, tzinfo=UTC)
    late = a_group(replace(an_alert(), starts_at=started))
    change = receive(None, late, now, Rules(), "u7")
    assert change is not None
    message = Renderer(tmp_path, None).message(replace(change.incident, number=7), a_claim(), (), None, html=False)
    send(a_pagerduty(vendors.http_url), message)
    (event,) = vendors.state["pagerduty"]["events"]
    assert (event["event_action"], datetime.fromisoformat(event["payload"]["timestamp"])) == ("trigger", started)


def test_pagerduty_is_not_notified_of_what_ended_before(vendors: RunningSandbox) -> None:
    over = a_message(firing=False, state=State.RESOLVED)
    assert send(a_pagerduty(vendors.http_url), over).note == "ended before it was delivered"
    send(a_pagerduty(vendors.http_url), over, a_claim(unknown=True))
    assert actions(vendors) == ["resolve"]


def test_pagerduty_progress_between_two_events(vendors: RunningSandbox) -> None:
    vendors.fault(target="pagerduty", kind="latency", seconds=0, count=1)
    vendors.fault(target="pagerduty", kind="status", status=503)
    with pytest.raises(SendError) as caught:
        send_all(lambda: a_pagerduty(vendors.http_url), a_message(state=State.ACKNOWLEDGED))
    assert caught.value.progress == {"state": "acknowledging"}


def test_slack_edits_in_place_and_replies_in_the_thread(vendors: RunningSandbox) -> None:
    handle = send(a_slack(vendors.slack_base_url), a_message(severity="warning")).handle
    worse = a_message(revision=2, news=(an_entry(2, "now critical"),))
    handle = send(a_slack(vendors.slack_base_url), worse, a_claim(sent=1, revision=2, handle=handle)).handle
    quiet = a_message(revision=3, news=(an_entry(2),))
    send(a_slack(vendors.slack_base_url), quiet, a_claim(sent=2, revision=3, handle=handle))
    (shown,) = slack_messages(vendors)
    assert shown["edits"] == 2
    assert len(shown["thread"]) == 1
    assert shown["thread"][0]["broadcast"]
    assert shown["thread"][0]["mentions"] == ["<!here>"]
    assert shown["mentions"] == []


def test_slack_rings_once_for_a_critical_incident(vendors: RunningSandbox) -> None:
    handle = send(a_slack(vendors.slack_base_url)).handle
    again = a_message(revision=2, news=(an_entry(2),))
    send(a_slack(vendors.slack_base_url), again, a_claim(sent=1, handle=handle))
    (shown,) = slack_messages(vendors)
    assert shown["mentions"] == ["<!here>"]
    assert shown["thread"][0]["mentions"] == []
    assert not shown["thread"][0]["broadcast"]


def test_slack_rings_again_when_it_fires_again(vendors: RunningSandbox) -> None:
    handle = send(a_slack(vendors.slack_base_url)).handle
    for revision, firing in ((2, False), (3, True)):
        message = a_message(revision=revision, firing=firing, news=(an_entry(revision),))
        handle = send(a_slack(vendors.slack_base_url), message, a_claim(sent=revision - 1, handle=handle)).handle
    assert [reply["broadcast"] for reply in slack_messages(vendors)[0]["thread"]] == [False, True]


def test_slack_keeps_what_it_found_when_the_edit_fails(vendors: RunningSandbox) -> None:
    place = send(a_slack(vendors.slack_base_url)).handle
    vendors.fault(target="slack", kind="status", status=429, path="chat.update")
    channel = a_slack(vendors.slack_base_url, channel=place["channel"])
    claim = a_claim(unknown=True, attempted_at=datetime.now(UTC) - timedelta(seconds=5))
    with pytest.raises(SendError) as caught:
        send(channel, a_message(revision=2), claim)
    assert caught.value.progress is not None
    assert caught.value.progress["ts"] == place["ts"]


@pytest.mark.parametrize("revision", [1, 2])
def test_slack_adopts_its_own_lost_message(vendors: RunningSandbox, revision: int) -> None:
    send(a_slack(vendors.slack_base_url, channel="#alerts"), a_message(uid="other"))
    place = vendors.state["slack"]["channels"]["alerts"]["id"]
    started = datetime.now(UTC)
    vendors.fault(target="slack", kind="accept_then_reset", count=1)
    with pytest.raises(SendError):
        send(a_slack(vendors.slack_base_url, channel=place))
    claim = a_claim(unknown=True, attempted_at=started, revision=revision)
    later = a_message(revision=revision, news=(an_entry(1), an_entry(2)) if revision == 2 else ())
    handle = send(a_slack(vendors.slack_base_url, channel=place), later, claim).handle
    messages = slack_messages(vendors)
    assert len(messages) == 2
    assert handle["ts"] == messages[1]["ts"]
    assert messages[1]["edits"] == len(messages[1]["thread"]) == revision - 1


@pytest.mark.parametrize("processed", [False, True], ids=["before its reply", "after its reply"])
def test_slack_has_its_reply_though_the_worker_died_before_it_stored_the_edit(
    vendors: RunningSandbox, processed: bool
) -> None:
    """A worker that was killed keeps nothing: all it did is found where it did it."""
    place = send(a_slack(vendors.slack_base_url)).handle["channel"]
    channel, started = partial(a_slack, vendors.slack_base_url, channel=place), datetime.now(UTC)
    over = a_message(revision=2, firing=False, summary="Resolved", news=())
    claim = a_claim(unknown=True, attempted_at=started - timedelta(seconds=5), firing=False, revision=2)
    claim = replace(claim, news=(an_entry(1, "it began"), an_entry(2, "it is over")))
    vendors.fault(target="slack", kind="status", status=503, count=1, path="chat.postMessage", processed=processed)
    with pytest.raises(SendError):
        send(channel(), over, claim)
    for _ in range(2):
        send(channel(), over, claim)
    (shown,) = slack_messages(vendors)
    assert [reply["text"] for reply in shown["thread"]] == ["• it is over"]
    assert (shown["text"], shown["edits"]) == ("Resolved", 1)


def test_slack_does_not_repeat_a_lost_thread_reply(vendors: RunningSandbox) -> None:
    handle = send(a_slack(vendors.slack_base_url)).handle
    later, started = a_message(revision=2, news=(an_entry(2),)), datetime.now(UTC)
    vendors.fault(target="slack", kind="accept_then_reset", count=1, path="chat.postMessage")
    with pytest.raises(SendError) as caught:
        send(a_slack(vendors.slack_base_url), later, a_claim(sent=1, handle=handle))
    assert caught.value.ambiguous
    assert caught.value.progress is not None
    assert caught.value.progress["thread_revision"] == 1
    claim = a_claim(sent=1, handle=caught.value.progress, unknown=True, attempted_at=started)
    send(a_slack(vendors.slack_base_url), later, claim)
    assert len(slack_messages(vendors)[0]["thread"]) == 1


@pytest.mark.parametrize("word", ["missing_scope", "channel_not_found"])
def test_slack_posts_when_it_may_not_search(vendors: RunningSandbox, word: str) -> None:
    vendors.fault(target="slack", kind="ok_false", error=word, path="conversations.history")
    channel = a_slack(vendors.slack_base_url, channel="C0123456789")
    send(channel, None, a_claim(unknown=True, attempted_at=datetime.now(UTC)))
    assert vendors.state["slack"]["calls"] == {"chat.postMessage": 1}


def an_unknown_end(vendors: RunningSandbox, channel: str = "C0123456789") -> Receipt:
    over = a_message(firing=False, revision=2, summary="Resolved after 5 min: API is slow")
    claim = a_claim(unknown=True, firing=False, revision=2, attempted_at=datetime.now(UTC) - timedelta(minutes=5))
    return send(a_slack(vendors.slack_base_url, channel=channel), over, claim)


def test_slack_gets_no_end_of_what_a_search_shows_was_never_posted(vendors: RunningSandbox) -> None:
    assert an_unknown_end(vendors).skipped
    assert vendors.state["slack"]["calls"] == {"conversations.history": 1}


def test_slack_gets_the_end_of_what_may_stand_where_the_bridge_cannot_search(vendors: RunningSandbox) -> None:
    assert not an_unknown_end(vendors, "#alerts").skipped
    vendors.fault(target="slack", kind="ok_false", error="missing_scope", path="conversations.history")
    assert not an_unknown_end(vendors).skipped
    vendors.clear_faults()
    assert vendors.state["slack"]["calls"]["chat.postMessage"] == 2


def test_slack_gets_the_end_of_what_may_stand_further_back_than_is_read(
    vendors: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.channels.slack.calls.MAX_PAGES", 0)
    assert not an_unknown_end(vendors).skipped


def test_slack_stays_in_doubt_while_it_cannot_search(vendors: RunningSandbox) -> None:
    vendors.fault(target="slack", kind="status", status=429, retry_after=3, path="conversations.history")
    channel = a_slack(vendors.slack_base_url, channel="C0123456789")
    with pytest.raises(SendError) as caught:
        send(channel, None, a_claim(unknown=True, attempted_at=datetime.now(UTC)))
    assert (caught.value.reason, caught.value.ambiguous) == (Reason.RATE_LIMITED, True)


@pytest.mark.parametrize("word", ["message_not_found", "cant_update_message", "edit_window_closed"])
def test_slack_posts_anew_what_it_cannot_edit(vendors: RunningSandbox, word: str) -> None:
    handle = send(a_slack(vendors.slack_base_url)).handle
    vendors.fault(target="slack", kind="ok_false", error=word, path="chat.update")
    later = send(a_slack(vendors.slack_base_url), a_message(revision=2), a_claim(sent=1, handle=handle))
    assert later.handle["ts"] != handle["ts"]
    assert len(slack_messages(vendors)) == 2


def test_a_mail_that_is_sent_again_is_the_same(vendors: RunningSandbox) -> None:
    channel = an_email(vendors.smtp_address)
    frozen = channel.compose(a_message(), a_claim()).frozen
    vendors.fault(target="smtp", kind="accept_then_reset", count=1)
    with pytest.raises(SendError) as caught:
        send(channel)
    assert caught.value.ambiguous
    send(an_email(vendors.smtp_address), a_message(title="changed"), a_claim(frozen=frozen, unknown=True))
    (mail,) = vendors.state["mail"]
    assert (mail["copies"], mail["altered_copies"]) == (2, 0)
    assert mail["message_id"].startswith("<u7.1.")
    assert vendors.raw_mail(mail["number"]).replace(b"\r\n", b"\n") == frozen.replace(b"\r\n", b"\n")  # type: ignore[union-attr]


def test_a_mail_has_both_bodies_and_finds_its_thread(vendors: RunningSandbox) -> None:
    send(an_email(vendors.smtp_address))
    later = a_message(revision=2, firing=False, updated_at=a_message().updated_at + timedelta(minutes=5))
    send(an_email(vendors.smtp_address), later, a_claim(target=Target("c", "Ops <ops@bücher.example>")))
    first, second = vendors.state["mail"]
    assert first["subject"] == second["subject"] == "[#7 critical] HighLatency c1"
    assert first["references"] == second["references"] == "<u7@bridge.example>"
    assert first["message_id"] != second["message_id"]
    assert ["Importance", "high"] in first["headers"]
    assert ["Importance", "high"] not in second["headers"]
    assert second["recipients"] == ["ops@xn--bcher-kva.example"]
    assert "<p>" in first["html"]
    assert "details" in first["text"]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_no_mail_without_the_tls_that_was_asked_for(vendors: RunningSandbox, tls: str) -> None:
    with pytest.raises(SendError) as caught:
        send(an_email(vendors.smtp_address, tls=tls))
    assert not caught.value.ambiguous
    assert vendors.state["mail"] == []


@pytest.mark.parametrize("kind", ["pagerduty", "slack"])
def test_a_redirect_is_not_followed(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked: list[bytes] = []
        port = server.getsockname()[1]
        threading.Thread(target=_redirect, args=(server, port, asked), daemon=True).start()
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(SendError) as caught:
            send(a_pagerduty(url) if kind == "pagerduty" else a_slack(url + "/api/"))
        assert (caught.value.reason, caught.value.ambiguous) == (Reason.SERVER, False)
        assert len(asked) == 1


def _redirect(server: socket.socket, port: int, asked: list[bytes]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            asked.append(connection.recv(65536))
            head = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{port}/elsewhere\r\nContent-Length: 0\r\n"
            connection.sendall(f"{head}Connection: close\r\n\r\n".encode())


def test_mail_goes_over_verified_tls_only(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -out {certificate} -keyout {key}"
    subprocess.run([*make.split(), "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    served: dict[str, Any] = {
        "smtp_certificate": certificate,
        "smtp_key": key,
        "smtp_username": "u",
        "smtp_password": PASSWORD,
    }
    with running_sandbox(smtp_tls="starttls", **served) as sandbox:
        login: dict[str, Any] = {"tls": "starttls", "username": "u"}
        right: dict[str, Any] = {"password": SecretStr(PASSWORD), "ca_file": certificate}
        for wrong in ({"ca_file": None}, {"password": SecretStr("wrong-" + PASSWORD)}):
            with pytest.raises(SendError) as caught:
                send(an_email(sandbox.smtp_address, **{**login, **right, **wrong}))
            assert PASSWORD not in str(caught.value)
            assert caught.value.reason is (Reason.CREDENTIAL if "password" in wrong else Reason.NETWORK)
        note = send(an_email(sandbox.smtp_address, **login, **right)).note
        assert note == "accepted by the mail server: kept as mail 1"


def test_a_mail_connection_is_kept_and_replaced_when_it_died(vendors: RunningSandbox) -> None:
    settings = an_email(vendors.smtp_address)._settings

    def send_some() -> None:
        connection = MailConnection(settings, ThreadPoolExecutor(1))
        connection.send("a@example.org", "b@example.org", b"Subject: 1\r\n\r\n.dot\r\n")
        kept = connection._smtp
        connection.send("a@example.org", "b@example.org", b"Subject: 2\r\n\r\n")
        assert connection._smtp is kept
        assert kept is not None
        assert kept.sock is not None
        kept.sock.shutdown(socket.SHUT_RDWR)
        connection.send("a@example.org", "b@example.org", b"Subject: 3\r\n\r\n")
        assert connection._smtp is not kept
        kept = connection._smtp
        vendors.fault(target="smtp", kind="smtp_reply", code=550, at="rcpt", count=1)
        with pytest.raises(SendError):
            connection.send("a@example.org", "b@example.org", b"x")
        connection.send("a@example.org", "b@example.org", b"Subject: 4\r\n\r\n")
        assert connection._smtp is kept
        connection.close()

    asyncio.run(run_blocking(send_some))
    assert [mail["subject"] for mail in vendors.state["mail"]] == ["1", "2", "3", "4"]
    assert vendors.raw_mail(1).endswith(b"\r\n.dot\r\n")
