"""A mail's subject: with number and severity, and the same for all mails of an incident to a recipient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bridge.channels.email.channel import accepted
from bridge.channels.email.message import MAX_SUBJECT, subject_in, subject_of
from bridge.core.ports import Message
from tests.channels.channel_builders import a_claim, a_message, an_email

FIRST = a_message(number=42, severity="warning", title="Latency (ml/toxicity-api)")
RISEN = a_message(number=42, severity="critical", title="2 alerts: Errors and Latency (ml/toxicity-api)", revision=2)


@pytest.mark.parametrize(
    ("message", "subject"),
    [
        (FIRST, "[#42 warning] Latency (ml/toxicity-api)"),
        (a_message(number=42, severity="none", title="A"), "[#42] A"),
        (a_message(number=0, severity="info", title="A\r\nBcc: x"), "[info] A Bcc: x"),
        (a_message(number=0, severity="none", title="A"), "[alert] A"),
    ],
)
def test_it_says_which_incident_and_how_bad(message: Message, subject: str) -> None:
    assert subject_of(message) == subject


def test_it_has_an_end() -> None:
    assert len(subject_of(a_message(title="x" * 10_000))) == MAX_SUBJECT


def sent(message: Message, **claim: Any) -> str:
    return subject_in(an_email().compose(message, a_claim(**claim)).content)


@pytest.mark.parametrize("title", [FIRST.title, "Größe 🙂 =?utf-8?q?x?= " * 4, "very long " * 50, "[x] 50 % \\ \"'"])
def test_it_is_read_back_as_it_was_written(title: str) -> None:
    message = a_message(title=title)
    assert subject_of(message).rstrip() == sent(message).rstrip()


def test_neither_a_higher_severity_nor_other_alerts_change_it() -> None:
    handle: Mapping[str, Any] = {"revision": 1, "subject": sent(FIRST)}
    assert sent(RISEN) == "[#42 critical] 2 alerts: Errors and Latency (ml/toxicity-api)"
    assert sent(FIRST) == sent(RISEN, sent=1, handle=handle)


def test_a_try_that_may_have_arrived_has_given_it() -> None:
    tried = an_email().compose(FIRST, a_claim()).content
    assert sent(FIRST) == sent(RISEN, unknown=True, tried=tried)


def test_a_thread_of_the_version_before_goes_on_under_its_own() -> None:
    assert sent(FIRST, sent=3, handle={"revision": 3}) == "[alert] Latency (ml/toxicity-api)"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("250 2.0.0 OK", ""),
        ("250 OK", ""),
        ("250", ""),
        ("250 2.0.0 Ok: queued as 4FzT6k1", ": queued as 4FzT6k1"),
        ("250 2.0.0 OK  1763900000 a1-2002b - gsmtp", ": 1763900000 a1-2002b - gsmtp"),
        ("250 OKAY then", ": OKAY then"),
        ("250-first\n250 2.6.0 <u7.1@x> Queued", ": first 250 2.6.0 <u7.1@x> Queued"),
    ],
)
def test_the_timeline_says_in_words_that_the_server_took_it(reply: str, words: str) -> None:
    assert accepted(reply) == f"accepted by the mail server{words}"
