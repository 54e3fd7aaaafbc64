"""Every file with a secret, as editors, shells and Windows write it: the secret, or an explained fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from bridge.app.settings import load
from bridge.app.wiring import _token_of
from bridge.channels.email.settings import EmailSettings
from bridge.channels.pagerduty.settings import PagerDutySettings
from bridge.channels.slack.settings import SlackSettings
from bridge.config import ConfigurationFaults
from bridge.config.secret_files import MAX_OCTETS, UnreadableSecret, read_secret
from bridge.config.settings import Settings
from docker.start.with_secrets import merged

SECRET = "k€y-ä-0123456789"
WRITTEN = {
    "as it is": SECRET.encode(),
    "with a line end": f"{SECRET}\n".encode(),
    "with a line end of Windows": f"{SECRET}\r\n".encode(),
    "with blanks around": f"  {SECRET}\t\n\n".encode(),
    "with a byte order mark": f"\ufeff{SECRET}\n".encode(),
    "with a mark after a blank": f" \ufeff{SECRET}\n".encode(),
    "by Notepad, as Unicode": f"{SECRET}\r\n".encode("utf-16"),
    "in UTF-16, big end first": b"\xfe\xff" + f"{SECRET}\n".encode("utf-16-be"),
}
UNREADABLE = {
    "a folder": "Is a directory",
    "a pipe": "no ordinary file",
    "missing": "No such file",
    "binary": "not UTF-8 text",
    "odd UTF-16": "not UTF-8 text",
    "huge": "too large",
}
ROUTES = """
channels:
  pager: {type: pagerduty, routing_key_file: secret}
  chat: {type: slack, token_file: secret, channel: C0123456789}
  mail: {type: email, smarthost: "mx.example:587", username: u, password_file: secret, from: a@b.org, to: [c@d.org]}
sources:
  - {name: am, url: "http://am", basic_auth: {username: u, password_file: secret}, reconcile: {token_file: secret}}
  - {name: am2, url: "http://am", reconcile: {basic_auth: {username: u, password_file: secret}}}
  - {name: grafana, type: grafana, hmac_secret_file: secret}
context: {prometheus: {url: "http://prometheus", token_file: secret}}
ping: {url_file: url}
route: {notify: [pager, chat, mail]}
"""
COUNT = 8  #: uses of the file `secret` above


def folder_with(folder: Path, content: bytes) -> Path:
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "secret").write_bytes(content)
    (folder / "url").write_bytes(b"\xef\xbb\xbfhttps://hc.example/key\r\n")
    return folder / "routes.yaml"


def secrets_of(settings: Settings) -> list[str]:
    pager, chat, mail = (settings.channels[name] for name in ("pager", "chat", "mail"))
    assert isinstance(pager, PagerDutySettings) and isinstance(chat, SlackSettings) and isinstance(mail, EmailSettings)
    am, am2, grafana = settings.sources
    assert am.basic_auth and am2.reconcile.basic_auth and settings.context
    kept = [pager.routing_key, chat.token, mail.password, am.basic_auth.password, am2.reconcile.basic_auth.password]
    read = [_token_of(settings.context.prometheus), _token_of(am.reconcile)]
    shown = [each.get_secret_value() for each in [*kept, grafana.hmac_secret] if isinstance(each, SecretStr)]
    return shown + [each() for each in read if each is not None]


@pytest.mark.parametrize("content", WRITTEN.values(), ids=WRITTEN)
def test_every_secret_is_read_without_line_ending_and_byte_order_mark(content: bytes, tmp_path: Path) -> None:
    settings = load(folder_with(tmp_path, content), {})
    assert secrets_of(settings) == [SECRET] * COUNT
    assert settings.ping is not None
    assert settings.ping.url.get_secret_value() == "https://hc.example/key"


@pytest.mark.parametrize("content", WRITTEN.values(), ids=WRITTEN)
def test_a_container_reads_secrets_the_same_way(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "slack_bot_token").write_bytes(content)
    assert merged(tmp_path, {}) == {"SLACK_BOT_TOKEN": SECRET}


def unreadable_secret(folder: Path, kind: str) -> Path:
    file = folder / "secret"
    if kind == "a folder":
        file.mkdir()
    elif kind == "a pipe":
        os.mkfifo(file)
    elif kind != "missing":
        contents = {"binary": b"\x80hush\xff", "odd UTF-16": b"\xff\xfehush!", "huge": b"hush" * MAX_OCTETS}
        file.write_bytes(contents[kind])
    return file


@pytest.mark.parametrize(("kind", "words"), UNREADABLE.items(), ids=UNREADABLE)
def test_an_unreadable_secret_is_explained_without_its_content(kind: str, words: str, tmp_path: Path) -> None:
    file = unreadable_secret(tmp_path, kind)
    with pytest.raises(UnreadableSecret, match=words) as caught:
        read_secret(file)
    assert "hush" not in f"{caught.value} {caught.value.__cause__}"
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / "url").write_text("https://hc.example/key")
    with pytest.raises(ConfigurationFaults) as found:
        load(tmp_path / "routes.yaml", {})
    faults = [str(fault) for fault in found.value.faults]
    assert len([each for each in faults if words in each or (kind == "missing" and "no file" in each)]) == COUNT
    assert not [each for each in faults if "hush" in each]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"\xff\xfe", b" \r\n\t"])
def test_an_empty_file_is_no_secret(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFaults) as found:
        load(folder_with(tmp_path, content), {})
    assert len([fault for fault in found.value.faults if "the secret is empty" in str(fault)]) == COUNT


def test_a_secret_of_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFaults) as found:
        load(folder_with(tmp_path, b"hush\nmore\n"), {})
    faults = [str(fault) for fault in found.value.faults]
    assert len([each for each in faults if "line break" in each]) >= COUNT - 2  # two are read at each use
    assert not [each for each in faults if "hush" in each]


def test_a_byte_order_mark_in_a_variable_is_removed_too(tmp_path: Path) -> None:
    text = ROUTES.replace("routing_key_file: secret", 'routing_key: "${KEY}"')
    folder_with(tmp_path, SECRET.encode()).write_text(text)
    settings = load(tmp_path / "routes.yaml", {"KEY": f"\ufeff{SECRET}\r\n"})
    assert secrets_of(settings) == [SECRET] * COUNT
