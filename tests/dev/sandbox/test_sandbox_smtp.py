"""The mail server: what it keeps, how it counts copies, and how it fails when asked to."""

import shutil
import smtplib
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from dev.sandbox.running import RunningSandbox, running_sandbox
from tests.dev.sandbox.calls import a_mail, send


def test_a_mail_is_kept_with_all_that_a_reader_sees(sandbox: RunningSandbox) -> None:
    send(sandbox, a_mail())
    [mail] = sandbox.state["mail"]
    assert (
        mail["subject"],
        mail["message_id"],
        mail["recipients"],
    ) == ("[alert] Latency", "<1@example.org>", ["ml@example.org"])
    assert (
        mail["text"].strip(),
        mail["html"].strip(),
        mail["copies"],
        mail["remarks"],
    ) == ("down", "<p>down</p>", 1, [])
    assert b"Message-ID: <1@example.org>" in sandbox.raw_mail(mail["number"])


def test_the_same_message_id_is_kept_once_and_counted(sandbox: RunningSandbox) -> None:
    for recipients in (["a@example.org", "b@example.org"], ["b@example.org"], ["c@example.org"]):
        send(sandbox, a_mail(), *recipients)
    send(sandbox, a_mail("<2@example.org>"))
    first, second = sandbox.state["mail"]
    assert first["received_by"] == {"a@example.org": 1, "b@example.org": 2, "c@example.org": 1}
    assert (first["copies"], first["altered_copies"], second["copies"]) == (2, 0, 1)


def test_a_copy_with_other_bytes_is_noticed(sandbox: RunningSandbox) -> None:
    send(sandbox, a_mail())
    send(sandbox, a_mail(html="<p>other</p>"))
    assert sandbox.state["mail"][0]["altered_copies"] == 1


def test_a_careless_mail_gets_remarks(sandbox: RunningSandbox) -> None:
    mail = a_mail(html="x" * 110_000)
    del mail["Date"], mail["Auto-Submitted"]
    send(sandbox, mail)
    remarks = sandbox.state["mail"][0]["remarks"]
    assert remarks == ["no Date header", "no Auto-Submitted header", "Gmail clips HTML above 102 KB"]


@pytest.mark.parametrize(
    ("at", "error"),
    [
        ("connect", smtplib.SMTPConnectError),
        ("mail", smtplib.SMTPSenderRefused),
        ("rcpt", smtplib.SMTPRecipientsRefused),
        ("data", smtplib.SMTPDataError),
    ],
)
def test_a_reply_can_be_set_at_every_stage(
    sandbox: RunningSandbox, at: str, error: type[smtplib.SMTPException]
) -> None:
    sandbox.fault(target="smtp", kind="smtp_reply", code=451, at=at, count=1)
    with pytest.raises(error, match="451"):
        send(sandbox, a_mail())
    assert sandbox.state["mail"] == []
    send(sandbox, a_mail())
    assert len(sandbox.state["mail"]) == 1


def test_one_recipient_alone_can_be_refused(sandbox: RunningSandbox) -> None:
    sandbox.fault(target="smtp", kind="smtp_reply", code=550, recipient="b@example.org")
    refused = send(sandbox, a_mail(), "a@example.org", "b@example.org")
    assert {address: code for address, (code, _) in refused.items()} == {"b@example.org": 550}
    assert sandbox.state["mail"][0]["recipients"] == ["a@example.org"]


@pytest.mark.parametrize(("kind", "kept"), [("reset", 0), ("accept_then_reset", 1), ("outage", 0)])
def test_the_connection_can_break(sandbox: RunningSandbox, kind: str, kept: int) -> None:
    sandbox.fault(target="smtp", kind=kind)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        send(sandbox, a_mail())
    assert kept == len(sandbox.state["mail"])


def test_a_reply_can_have_no_end(sandbox: RunningSandbox) -> None:
    sandbox.fault(target="smtp", kind="endless", at="ehlo", count=1)
    host, _, port = sandbox.smtp_address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as caller:
        caller.sendall(b"EHLO x\r\n")
        received = 0
        while received < 2**20:
            received += len(caller.recv(65_536))
    send(sandbox, a_mail())
    assert len(sandbox.state["mail"]) == 1


def test_starttls_and_a_login_can_be_demanded(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    certificate, key = _certificate(tmp_path)
    context = ssl.create_default_context(cafile=certificate)
    options = {"smtp_certificate": certificate, "smtp_key": key, "smtp_username": "u", "smtp_password": "p"}
    with running_sandbox(smtp_tls="starttls", **options) as sandbox:
        host, _, port = sandbox.smtp_address.rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=60) as client:
            with pytest.raises(smtplib.SMTPSenderRefused, match="STARTTLS"):
                client.send_message(a_mail())
            client.starttls(context=context)
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("u", "wrong")
            client.login("u", "p")
            client.send_message(a_mail())
        assert len(sandbox.state["mail"]) == 1
    with running_sandbox(smtp_tls="implicit", **options) as sandbox:
        host, _, port = sandbox.smtp_address.rpartition(":")
        with smtplib.SMTP_SSL(host, int(port), timeout=60, context=context) as client:
            client.login("u", "p")
            client.send_message(a_mail())
        assert len(sandbox.state["mail"]) == 1


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=sandbox"
    command += " -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return certificate, key
