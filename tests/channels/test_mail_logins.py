"""Logging in to mail servers of every kind: a login, or a fault in words; never a mail without one."""

from __future__ import annotations

import base64
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.core.errors import Reason, SendError
from tests.channels.channel_builders import PASSWORD, an_email
from tests.channels.hostile_vendor import certificate
from tests.channels.sending import send
from tests.channels.small_smtp import Conversation, SmallSmtp, dripping, flooding, running_smtp, server_tls, silent

NAMES = [("ada", PASSWORD), ("jörg@bücher.example", "pä€ss wörd:😀"), ("u", "pass"), ("user", "user")]


def refused(server: SmallSmtp, name: str = "ada", password: str = PASSWORD, **more: Any) -> SendError:
    with pytest.raises(SendError) as caught:
        send(an_email(server.address, username=name, password=SecretStr(password), **more))
    words = f"{caught.value} {caught.value.detail}"
    for form in (password, base64.b64encode(password.encode()).decode()):
        assert form not in words
    assert server.mails == []
    return caught.value


def logs_in(server: SmallSmtp, name: str, password: str, **more: Any) -> None:
    send(an_email(server.address, username=name, password=SecretStr(password), **more))
    assert server.logged_in == [name]
    assert len(server.mails) == 1


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "CRAM-MD5", "plain login", "XOAUTH2 PLAIN", "GSSAPI NTLM LOGIN"])
@pytest.mark.parametrize(("name", "password"), NAMES, ids=["ascii", "umlauts", "a password like a question", "like it"])
def test_any_name_and_password_by_each_way(way: str, name: str, password: str) -> None:
    with running_smtp(offers=(f"AUTH {way}",), logins={name: password}) as server:
        logs_in(server, name, password)


def test_the_old_way_to_offer_a_login() -> None:
    with running_smtp(offers=("AUTH=LOGIN PLAIN",), logins={"ada": PASSWORD}) as server:
        logs_in(server, "ada", PASSWORD)


CHALLENGES = {
    "words": (b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6"),
    "other words": (b"VXNlciBOYW1lAA==", b"UGFzc3dvcmQA"),
    "not encoded": (b"Username:", b"Password:"),
    "nothing": (b"", b""),
    "one that means both": (base64.b64encode(b"username and password, please"),) * 2,
    "of another language": (base64.b64encode(b"Benutzer?"), base64.b64encode(b"Kennwort?")),
}


@pytest.mark.parametrize("asked", CHALLENGES.values(), ids=CHALLENGES)
def test_a_server_that_asks_for_both_whatever_came_first(asked: tuple[bytes, bytes]) -> None:
    """AUTH LOGIN, where an initial response is ignored."""

    def login(talk: Conversation, command: str) -> bool:
        given = [talk.asked(challenge).decode() for challenge in asked]
        talk.server.logged_in.append(given[0])
        return given == ["jörg", "pä€ss"]

    with running_smtp(offers=("AUTH LOGIN",), logins={"jörg": "pä€ss"}, login=login) as server:
        logs_in(server, "jörg", "pä€ss")


def test_a_server_that_asks_for_the_name_twice() -> None:
    def login(talk: Conversation, command: str) -> bool:
        given = [talk.asked(base64.b64encode(word)).decode() for word in (b"Username:", b"Username:", b"Password:")]
        talk.server.logged_in.append(given[0])
        return given == ["ada", "ada", PASSWORD]

    with running_smtp(offers=("AUTH LOGIN",), logins={"ada": PASSWORD}, login=login) as server:
        logs_in(server, "ada", PASSWORD)


def test_a_way_that_is_offered_and_fails_leaves_the_others() -> None:
    """As with hashed passwords, from which no CRAM-MD5 can be made."""

    def login(talk: Conversation, command: str) -> bool:
        if command.startswith("PLAIN"):
            talk.server.logged_in.append("ada")
            return True
        talk.asked(b"")
        return False

    with running_smtp(offers=("AUTH CRAM-MD5 PLAIN",), logins={"ada": PASSWORD}, login=login) as server:
        logs_in(server, "ada", PASSWORD)


@pytest.mark.parametrize(
    ("offers", "words"),
    [
        (("AUTH XOAUTH2",), "no login but XOAUTH2, and the bridge knows PLAIN, LOGIN and CRAM-MD5"),
        (("AUTH XOAUTH2 OAUTHBEARER",), "XOAUTH2, OAUTHBEARER"),
        (("AUTH",), "offers no login"),
        ((), "offers no login"),
    ],
    ids=["XOAUTH2", "two", "none", "nothing"],
)
def test_a_server_with_no_login_that_is_known_gets_nothing(offers: tuple[str, ...], words: str) -> None:
    with running_smtp(offers=offers) as server:
        error = refused(server)
    assert (error.reason, error.ambiguous) == (Reason.CREDENTIAL, False)
    assert words in error.detail


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (b"535 5.7.8 wrong", Reason.CREDENTIAL, "login: 535 5.7.8: the mail server refuses this username and password"),
        (b"534 5.7.9 app password needed", Reason.CREDENTIAL, "login: 534 5.7.9"),
        (b"538 encryption needed", Reason.CREDENTIAL, "login: 538: "),
        (b"503 5.5.1 authentication not enabled", Reason.CREDENTIAL, "login: 503 5.5.1"),
        (b"502 what", Reason.CREDENTIAL, "login: 502: "),
        (b"454 4.7.0 later", Reason.SERVER, "login: 454 4.7.0: the mail server cannot check a login now"),
        (b"421 4.3.2 closing", Reason.SERVER, "login: 421 4.3.2"),
        (b"250 fine", Reason.SERVER, "neither yes nor no"),
        (b"334 ", Reason.SERVER, "neither yes nor no"),
        (b"welcome!", Reason.SERVER, "neither yes nor no"),
    ],
)
@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_an_answer_to_a_login_becomes_its_reason(way: str, answer: bytes, reason: Reason, words: str) -> None:
    def login(talk: Conversation, command: str) -> bool:
        while True:
            talk.say(answer + b" for " + base64.b64encode(PASSWORD.encode()) + PASSWORD.encode())
            talk.line()

    with running_smtp(offers=(f"AUTH {way}",), login=login) as server:
        error = refused(server)
    assert (reason, False) == (error.reason, error.ambiguous)
    assert words in error.detail


@pytest.mark.parametrize("reset", [False, True])
def test_a_server_that_hangs_up_after_a_refusal_has_refused(reset: bool) -> None:
    def login(talk: Conversation, command: str) -> bool:
        talk.say(b"535 5.7.8 no")
        if reset:  # while the client waits for the answer to its next way
            talk.line()
            talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionResetError

    with running_smtp(offers=("AUTH PLAIN LOGIN",), login=login) as server:
        error = refused(server)
    assert error.reason is Reason.CREDENTIAL
    assert "535 5.7.8" in error.detail


@pytest.mark.parametrize("answer", [silent, dripping(b"235-", b"x"), flooding(b"", b"235-x\r\n" * 1000)])
def test_a_login_without_end_is_given_up(answer: object) -> None:
    with running_smtp(offers=("AUTH PLAIN",), answers={"AUTH": answer}) as server:
        error = refused(server, seconds=0.5)
    assert error.reason in (Reason.NETWORK, Reason.SERVER)
    assert not error.ambiguous


def test_a_login_that_is_offered_over_tls_only_is_found_there(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    offers = ("STARTTLS", "AUTH PLAIN")
    with running_smtp(offers=offers, logins={"jörg": "ä"}, tls=server_tls(file)) as server:
        logs_in(server, "jörg", "ä", tls="starttls", ca_file=file)


def test_without_starttls_no_credential_is_sent(tmp_path: Path) -> None:
    with running_smtp(offers=("AUTH PLAIN",), logins={"ada": PASSWORD}) as server:
        error = refused(server, tls="starttls")
        assert "offers no STARTTLS" in error.detail
        assert "implicit" in error.detail
        assert all(not command.upper().startswith((b"AUTH", b"MAIL")) for command in server.commands)


@pytest.mark.parametrize("answer", [b"454 4.7.0 TLS not available", b"501 no", b"250 sure"])
def test_a_starttls_that_is_refused_is_no_reason_to_go_on(answer: bytes, tmp_path: Path) -> None:
    with running_smtp(offers=("STARTTLS", "AUTH PLAIN"), answers={"STARTTLS": answer}) as server:
        error = refused(server, tls="starttls", ca_file=certificate(tmp_path))
        assert not error.ambiguous
        assert all(not command.upper().startswith((b"AUTH", b"MAIL")) for command in server.commands)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_that_is_not_believed_is_named_with_its_reason(tls: str, tmp_path: Path) -> None:
    past = {"begins": "20200101000000Z", "ends": "20200102000000Z"}
    (tmp_path / "past").mkdir()
    (tmp_path / "now").mkdir()
    expired, good = certificate(tmp_path / "past", **past), certificate(tmp_path / "now")
    faults = [
        _tls_fault(tls, expired, ca_file=expired),
        _tls_fault(tls, good),
        _tls_fault(tls, good, ca_file=good, host="127.1"),
    ]
    for words, detail in zip(("expired", "self-signed", "ostname mismatch"), faults, strict=True):
        assert words in detail


def test_a_ca_file_that_is_none_is_reported(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    context = server_tls(certificate(tmp_path))
    for name in ("ca.pem", "gone.pem"):
        with running_smtp(offers=("STARTTLS",), tls=context) as server:
            error = refused(server, tls="starttls", ca_file=tmp_path / name)
        assert "ca_file cannot be read" in error.detail


def _tls_fault(tls: str, file: Path, host: str = "127.0.0.1", **trust: Any) -> str:
    context = server_tls(file)
    over = {"implicit": context} if tls == "implicit" else {"tls": context, "offers": ("STARTTLS",)}
    with running_smtp(**over) as server:
        channel = an_email(f"{host}:{server.port}", tls=tls, **trust)
        with pytest.raises(SendError) as caught:
            send(channel)
        assert (caught.value.reason, caught.value.ambiguous) == (Reason.NETWORK, False)
        assert server.mails == []
        return caught.value.detail
