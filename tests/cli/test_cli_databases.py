"""Any database URL: each command uses it, or explains what to write instead without showing a password."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cli.main import main
from bridge.cli.options import has_password
from bridge.core.errors import StoreUnusable
from bridge.store.urls import database_url, shown

COMMANDS: dict[str, Sequence[str]] = {
    "serve": (),
    "web": (),
    "worker": (),
    "incidents": ("list",),
    "incidents ": ("show", "1"),
    "incidents  ": ("dead",),
    "incidents   ": ("replay", "--all"),
    "backup": ("{folder}/backup.db",),
    "restored": (),
}
ROUTES = """\
channels: {chat: {type: email, smarthost: "127.0.0.1:9", from: a@x.org, to: [b@x.org], tls: none}}
route: {notify: [chat]}
"""
UNUSABLE = [
    "mysql://bridge:very-secret@db/bridge",
    "oracle+cx_oracle://bridge:very-secret@db",
    "postgresql+asyncpg://bridge:very-secret@db/bridge",
    "postgresql://bridge:very-secret@db:port/bridge",
    "postgresql://bridge:very-secret@db:99999/bridge",
    "postgresql://bridge:very-secret@/@db/bridge",
    "postgresql:/db/bridge",
    "sqlite://",
    "sqlite:///",
    "sqlite://bridge.db",
    "sqlite:/bridge.db",
    "sqlite:///:memory:",
    "sqlite:///file:bridge.db?uri=true",
    "sqlite:///bridge.db?mode=ro",
    "sqlite+aiosqlite:///bridge.db",
    "sqlite:///{folder}",
    "sqlite:///{folder}/routes.yaml/bridge.db",
    "sqlite:///{folder}/routes.yaml",
    "sqlite:////dev/null",
    "bridge.db",
    "",
    " ",
    "://",
    "\u2603://x",
]


def run(folder: Path, command: str, url: str) -> Result:
    words = [word.format(folder=folder) for word in COMMANDS[command]]
    options = ["--database", url.format(folder=folder)]
    place = [command.strip(), *options, *words] if command.startswith("incidents") else [command, *words, *options]
    (folder / "routes.yaml").write_text(ROUTES)
    return CliRunner().invoke(main, place, env={**os.environ, "BRIDGE_CONFIG": str(folder / "routes.yaml")})


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "serve"])
@pytest.mark.parametrize("url", UNUSABLE)
def test_an_unusable_database_url_is_refused_with_an_explanation(tmp_path: Path, command: str, url: str) -> None:
    result = run(tmp_path, command, url)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in ((1, 2) if command == "backup" else (2,)), result.output
    assert len(result.output.strip()) > 20
    assert "very-secret" not in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["routes.yaml"]


@pytest.mark.parametrize("url", ["postgresql://bridge:very-secret@127.0.0.1:1/bridge?password=very-secret"])
@pytest.mark.parametrize("command", ["web", "worker", "incidents", "restored"])
def test_an_unreachable_server_is_reported_with_its_address(tmp_path: Path, command: str, url: str) -> None:
    result = run(tmp_path, command, url)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert "127.0.0.1" in result.output
    assert "very-secret" not in result.output


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///bridge.db", "sqlite"),
        ("sqlite:////var/lib/a%20b/bridge.db", "sqlite"),
        ("sqlite+pysqlite:///bridge.db?timeout=5", "sqlite+pysqlite"),
        ("postgres://u:p%40ss@db/bridge", "postgresql+psycopg"),
        ("postgresql:///bridge?host=/run/postgresql", "postgresql+psycopg"),
        ("postgresql+psycopg://u@[::1]:5432/bridge?sslmode=require", "postgresql+psycopg"),
    ],
)
def test_a_valid_url_gets_its_driver(url: str, driver: str) -> None:
    assert database_url(url).drivername == driver


@settings(deadline=None)
@given(st.one_of(st.text(), st.from_regex(r"\A(sqlite|postgresql|postgres)(\+[a-z]+)?:/*[^\x00]*\Z")))
def test_any_text_is_a_url_or_refused_with_an_explanation(text: str) -> None:
    try:
        assert shown(database_url(text))
    except StoreUnusable as refused:
        assert len(str(refused)) > 20


@settings(deadline=None)
@given(st.text(min_size=6), st.sampled_from(["{}@db/bridge", "{}/x@db:1/bridge", "{}@y@db/bridge", "{}#@db", "{}?@:"]))
def test_no_refusal_repeats_a_password(middle: str, rest: str) -> None:
    password = f"se{middle}cret"
    try:
        text = shown(database_url(f"postgresql://bridge:{rest.format(password)}"))
    except StoreUnusable as refused:
        text = str(refused)
    assert password not in text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:////var/lib/a:b@c/bridge.db", False),
        ("postgresql://bridge@db/bridge", False),
        ("postgresql:///bridge", False),
        ("postgresql://bridge:p@db/bridge", True),
        ("postgresql://bridge:p/s@db/bridge", True),
        ("postgresql://db/bridge?user=a&password=p", True),
        ("postgresql://db/bridge?sslpassword=p", True),
        ("mysql://a:b@c", True),
    ],
)
def test_a_password_in_a_url_is_detected(url: str, expected: bool) -> None:
    assert has_password(url) == expected


def test_a_password_in_the_arguments_is_warned_of_and_one_in_the_environment_is_not(tmp_path: Path) -> None:
    url = "postgresql://bridge:very-secret@127.0.0.1:1/bridge"
    result = run(tmp_path, "restored", url)
    assert "warning" in result.stderr and "BRIDGE_DATABASE_URL" in result.stderr
    result = CliRunner().invoke(main, ["restored"], env={"BRIDGE_DATABASE_URL": url})
    assert "warning" not in result.stderr
    assert "very-secret" not in result.output
