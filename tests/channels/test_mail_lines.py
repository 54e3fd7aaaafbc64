"""A mail's own bytes: folded headers, encoded words that each stand alone, bodies in short lines, whatever the texts.

Read with regular expressions and base64 here, and with Python's parser; the same bytes as a server receives them.
"""

from __future__ import annotations

import base64
import quopri
import re
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.channels.email.headers import mailbox, words
from bridge.channels.email.message import mail_bytes, subject_of
from bridge.core.errors import Reason, SendError
from bridge.core.model import Target
from bridge.core.network.mailboxes import Mailbox, parse_mailbox
from bridge.rendering.text import one_line
from dev.sandbox.running import RunningSandbox
from tests.channels.channel_builders import a_claim, a_message, an_alert, an_email
from tests.channels.sending import send
from tests.channels.small_smtp import running_smtp

WORD = re.compile(rb"=\?utf-8\?([bq])\?([^?\s]*)\?=", re.IGNORECASE)
FAMILY = "👨‍👩‍👧‍👦"
LONG = f"Größter Ausfall {FAMILY * 8} in der Nacht: 東京の推論サーバーが応答しません " * 3
NAMES = [
    "", "ML", "ML [prod]", "Doe, John", 'John "Jack" \\ Doe', "A very long name of a team that is on call " * 4,
    "x" * 200, "Jörg", LONG, FAMILY * 20, "=?utf-8?q?J=C3=B6rg?=", "a@b.org, c", "ö" * 70, "Ops. (prod); <x>: y",
]  # fmt: skip


def unfolded(header: bytes) -> str:
    """What a reader sees, by RFC 2047 alone: words beside each other are one, and each is whole by itself."""
    text = re.sub(rb"\r\n(?=[ \t])", b"", header)
    text = re.sub(rb"(=\?[^?]+\?[bq]\?[^?]*\?=)[ \t]+(?==\?)", rb"\1", text, flags=re.IGNORECASE)

    def decoded(found: re.Match[bytes]) -> bytes:
        coding, inside = found[1].lower(), found[2]
        raw = base64.b64decode(inside) if coding == b"b" else quopri.decodestring(inside, header=True)
        return raw.decode("utf-8").encode()  # a character that is split over two words raises

    return WORD.sub(decoded, text).decode()


def check_lines(mail: bytes) -> None:
    """RFC 5322 section 2.1.1, RFC 2047 section 2; a token without a blank in it cannot be folded."""
    assert b"\n" not in mail.replace(b"\r\n", b"")
    assert b"\r" not in mail.replace(b"\r\n", b"")
    head = mail.partition(b"\r\n\r\n")[0]
    for line in mail.split(b"\r\n"):
        assert len(line) <= 76 or (line in head.split(b"\r\n") and b" " not in line.strip().partition(b": ")[2]), line
    for word in re.findall(rb"=\?\S*\?=", head):
        assert len(word) <= 75, word
    for line in head.split(b"\r\n"):
        assert re.match(rb"[A-Za-z-]+: |[ \t]+\S", line), f"neither a header nor the rest of one: {line!r}"


def header(mail: bytes, name: str) -> bytes:
    found = re.findall(rb"(?m)^%s: ((?:.*\r\n[ \t])*.*)\r\n" % name.encode(), mail.partition(b"\r\n\r\n")[0] + b"\r\n")
    assert len(found) == 1, f"{name}: {found}"
    return bytes(found[0])


def parsed(mail: bytes) -> Any:
    return message_from_bytes(mail, policy=policy.default)


def composed(sender: str = "ML <ml@example.org>", recipient: str = "o@example.org", **more: Any) -> bytes:
    return mail_bytes(a_message(**more), recipient, sender, "bridge.example", shrink=False)


@pytest.mark.parametrize("name", NAMES, ids=[name[:30] for name in NAMES])
def test_a_name_is_read_as_it_was_written_and_the_address_is_alone(name: str) -> None:
    for field in ("From", "To"):
        raw = mailbox(field, Mailbox(name, "ml", "example.org")).encode()
        mail = field.encode() + b": " + raw + b"\r\n\r\n"
        check_lines(mail)
        (address,) = parsed(mail)[field].addresses
        # Python 3.11 keeps the blank between two encoded words, which RFC 2047 section 6.2 has dropped
        shorter = [re.sub(r"\s", "", each) for each in (name, address.display_name)]
        assert (shorter[0], "ml@example.org") == (shorter[1], address.addr_spec)
        shown = unfolded(raw)
        assert shown.endswith("<ml@example.org>") or not name
        if not name.isascii():
            assert one_line(name) == shown.removesuffix(" <ml@example.org>")


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=120))
@example(LONG)
@example("=?utf-8?b?w6Q=?=")
@example("a " * 60)
@example("x" * 300)
@example("ö " * 100)
def test_any_title_is_a_subject_that_reads_the_same(title: str) -> None:
    mail = composed(title=title)
    check_lines(mail)
    expected = subject_of(a_message(title=title))
    assert expected.strip() == unfolded(header(mail, "Subject")).strip()
    assert re.sub(r"\s", "", expected) == re.sub(r"\s", "", parsed(mail)["Subject"])


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=120))
@example(LONG)
@example('"')
@example("\\")
@example("Doe, John")
def test_any_name_is_read_as_it_was_written(name: str) -> None:
    raw = mailbox("From", Mailbox(name, "ml", "example.org")).encode()
    mail = b"From: " + raw + b"\r\n\r\n"
    check_lines(mail)
    (address,) = parsed(mail)["From"].addresses
    assert address.addr_spec == "ml@example.org"
    if not one_line(name).isascii():
        assert one_line(name) == unfolded(raw).removesuffix(" <ml@example.org>")
    else:
        assert one_line(name) == address.display_name.strip()


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=80), st.text(max_size=80))
@example("line\r\nBcc: x@y.org\n.\r\nFrom here", "<p>" + "ö" * 2000, "a\r\nBcc: x@y.org", "x" * 90)
@example("x" * 5000, "", "", "")
def test_the_whole_mail_keeps_to_its_lines(text: str, html: str, severity: str, name: str) -> None:
    mail = composed(text=text, html=html, severity=severity, alertname=name, title=text, alerts=(an_alert(name=name),))
    check_lines(mail)
    assert parsed(mail)["Bcc"] is None
    assert not parsed(mail).defects


def test_pictures_and_both_bodies_keep_to_their_lines() -> None:
    from bridge.core.ports import Illustration

    pictures = (Illustration("t", LONG, b"\x89PNG" * 1000, None),) * 2
    mail = composed(pictures=pictures, title=LONG, html=f"<html><body>{LONG}</body></html>")
    check_lines(mail)
    kinds = [part.get_content_type() for part in parsed(mail).walk()]
    assert kinds == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png", "image/png"]


def test_a_long_domain_and_what_has_no_blank_stay_whole() -> None:
    domain = ".".join(["a" * 60] * 3) + ".example"
    mail = mail_bytes(a_message(), f"{'x' * 64}@{domain}", f"{LONG} <ml@{domain}>", domain, shrink=False)
    check_lines(mail)
    assert parsed(mail)["From"].addresses[0].addr_spec == f"ml@{domain}"
    assert parsed(mail)["To"].addresses[0].addr_spec == f"{'x' * 64}@{domain}"


def test_plain_words_stay_plain() -> None:
    assert words("Subject", "[alert] High latency") == "[alert] High latency"
    assert mailbox("From", parse_mailbox("ML [prod] <a@b.org>")) == '"ML [prod]" <a@b.org>'
    assert mailbox("From", parse_mailbox("ML team <a@b.org>")) == "ML team <a@b.org>"
    assert mailbox("To", parse_mailbox("a@b.org")) == "a@b.org"


ENVELOPES = [
    ("Doe, John <j@example.org>", "j@example.org"),
    ('"Doe, John" <j@example.org>', "j@example.org"),
    ("ML [prod] <a@b.org>", "a@b.org"),
    ("ops@bücher.example", "ops@xn--bcher-kva.example"),
    ("Bücherei, Nacht <ops@bücher.example>", "ops@xn--bcher-kva.example"),
    ("jörg@bücher.example", "jörg@xn--bcher-kva.example"),
]


@pytest.mark.parametrize(("written", "address"), ENVELOPES, ids=[row[0] for row in ENVELOPES])
def test_the_server_gets_the_address_that_was_written(vendors: RunningSandbox, written: str, address: str) -> None:
    """As sender and as recipient, in the envelope and in the headers."""
    channel = an_email(vendors.smtp_address, from_=written, to=(written,))
    send(channel, None, a_claim(target=Target("c", written)))
    (mail,) = vendors.state["mail"]
    assert ([address], address) == (mail["recipients"], mail["mail_from"])
    raw = vendors.raw_mail(mail["number"])
    if address.isascii():
        check_lines(raw)
        found = [parsed(raw)[name].addresses for name in ("From", "To")]
        assert [[each.addr_spec for each in every] for every in found] == [[address]] * 2
        assert [every[0].display_name for every in found] == [parse_mailbox(written).name] * 2


@pytest.mark.parametrize(
    ("sender", "recipient", "whose"), [("ö@b.org", "a@b.org", "from"), ("a@b.org", "ö@b.org", "to")]
)
def test_a_server_without_smtputf8_is_not_mistaken_for_a_wrong_address(sender: str, recipient: str, whose: str) -> None:
    with running_smtp(offers=()) as server:
        channel = an_email(server.address, from_=sender)
        with pytest.raises(SendError) as caught:
            send(channel, None, a_claim(target=Target("c", recipient)))
    assert (caught.value.reason, caught.value.ambiguous) == (Reason.DESTINATION, False)
    assert f"`{whose}` (SMTPUTF8)" in caught.value.detail
    assert server.mails == []


def test_the_same_mail_is_the_same_bytes() -> None:
    sender = f"{LONG} <ml@example.org>"
    assert composed(sender) == composed(sender)
    frozen = composed(sender, title=LONG)
    claim = replace(a_claim(), frozen=frozen)
    assert frozen == an_email().compose(a_message(), claim).content


def test_an_address_of_an_earlier_version_that_is_none_is_a_dead_letter() -> None:
    channel = an_email()
    with pytest.raises(SendError, match="is not one mail address but perhaps two") as caught:
        channel.compose(a_message(), a_claim(target=Target("c", "a@x.org, b@y.org")))
    assert caught.value.reason is Reason.DESTINATION
