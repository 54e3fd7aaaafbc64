"""Any input of a user: an explanation and an exit code, never a traceback; no file is created or changed."""

from __future__ import annotations

import os
import shlex
import sqlite3
from pathlib import Path

import pytest

from tests.cli.cli_fixtures import ROUTES, is_traceback, process, run, with_incidents

HUGE = "99999999999999999999999"
ODD = [
    *("incidents", "incidents list", "incidents list --all", "incidents show 1", "incidents dead", "incidents ack 1"),
    *("incidents resolve 1", "incidents replay 1", "incidents replay --all", "incidents replay --all --dry-run"),
    *("incidents list --database foo", "incidents list --database mysql://a/b", "incidents list --database sqlite://"),
    *("incidents list --database sqlite:///folder", "incidents list --database sqlite:///text"),
    *("incidents list --database sqlite:///empty", "incidents list --database sqlite:///other.db"),
    *("incidents list --database sqlite:///no/such/folder/b.db", "incidents ack 1 --database sqlite:///other.db"),
    *("incidents list --database postgresql://127.0.0.1:1/x", "incidents list --database postgresql://a:b:c/x"),
    *("incidents list --database postgresql+none://127.0.0.1/x", "incidents list --database sqlite:///a%00b"),
    *("incidents ack 1 --config nope.yaml", "incidents ack 1 --config folder", "incidents ack 1 --config binary"),
    *("incidents show x", "incidents show -1", "incidents ack 1 --as ''", "incidents dead --reason none"),
    *("route a", "route =", "route a=b --at x", "route a=b --config folder", "route a=b --config empty"),
    *("route a=b --config faulty.yaml", "check --config folder", "check --config binary", "check --config nope"),
    *("check --rules nope", "check --rules text", "check --rules binary", "check --rules folder", "check"),
    *("preview email-ml nope", "preview email-ml folder", "preview email-ml binary", "preview email-ml list.json"),
    *("preview email-ml deep.json", "preview nope text", "preview email-ml text --context binary"),
    *("backup", "backup folder", "backup text", "backup no/such/b.db", "backup b.db --database foo"),
    *("backup b.db --database sqlite:///text", "backup b.db --database postgresql://127.0.0.1/x"),
    *("restored", "restored nope.db", "restored folder", "restored text", "restored other.db", "restored empty"),
    *("restored --skip-numbers -1", f"restored --skip-numbers {HUGE}", "hash-password", "schema x", "nosuch"),
    *("send-test nope", "send-test email-ml", "worker --config nope.yaml", "web --config folder"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("no more than text")
    (tmp_path / "empty").write_text("")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80")
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "faulty.yaml").write_text("channels: 5\nroute: [x]\n")
    (tmp_path / "routes.yaml").write_text(Path(ROUTES).read_text())
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize("line", ODD)
def test_a_faulty_command_is_explained_and_changes_no_file(folder: Path, line: str) -> None:
    before = files(folder)
    result = run(*shlex.split(line))
    assert not is_traceback(result), result.exception
    assert result.exit_code in (1, 2)
    output = result.stderr or result.output
    assert len(output.strip()) > 10 and "Traceback" not in output and "sqlalchemy" not in output
    assert files(folder) == before


@pytest.mark.parametrize("number", [str(2**31), str(2**63), HUGE, "0", "9" * 4000])
@pytest.mark.parametrize("command", ["show", "ack", "resolve", "replay"])
def test_a_number_of_no_incident_is_reported(folder: Path, command: str, number: str) -> None:
    url = with_incidents(f"sqlite:///{folder}/bridge.db")
    result = run("incidents", command, number, "--database", url)
    assert (result.exit_code, result.stderr) == (1, f"Error: There is no incident {int(number)}.\n")
    shown = run("incidents", "dead", "--show", number, "slack-ml", "--database", url)
    assert (shown.exit_code, shown.stderr) == (1, f"Error: There is no incident {int(number)}.\n")


def test_a_negative_and_an_unused_number_are_reported(folder: Path) -> None:
    url = with_incidents(f"sqlite:///{folder}/bridge.db")
    for number in ("2", "-1"):
        result = run("incidents", "ack", "--database", url, "--", number)
        assert (result.exit_code, result.stderr) == (1, f"Error: There is no incident {number}.\n")


@pytest.mark.parametrize("name", ["", " ", "\x1b\n", "x" * 201])
def test_an_invalid_name_is_refused(folder: Path, name: str) -> None:
    url = with_incidents(f"sqlite:///{folder}/bridge.db")
    result = run("incidents", "ack", "1", "--as", name, "--database", url)
    assert (result.exit_code, "write a name of 1 to 200 characters" in result.stderr) == (2, True)


def test_a_user_without_a_name_is_shown_as_a_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has no name."""
    url = with_incidents(f"sqlite:///{folder}/bridge.db")

    def no_such_user() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", no_such_user)
    result = run("incidents", "ack", "1", "--database", url, "--config", ROUTES)
    assert (result.exit_code, f"user {os.getuid()}" in result.output) == (0, True), result.stderr


def test_a_reader_that_closes_the_pipe_ends_the_command_quietly(folder: Path) -> None:
    url = with_incidents(f"sqlite:///{folder}/bridge.db", 100)
    for words in (["schema"], ["incidents", "list", "--database", url]):
        done = process(*words, shell="| head -n 1")
        assert done.stderr == b""
        assert len(done.stdout.splitlines()) == 1


def test_a_full_or_closed_output_gives_no_traceback(folder: Path) -> None:
    full = process("schema", shell="> /dev/full")
    assert (full.returncode, full.stderr) == (1, b"Error: No space left on device\n")
    closed = process("schema", shell=">&-")
    assert b"Traceback" not in closed.stderr


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}])
def test_a_terminal_without_utf8_gets_escaped_output(folder: Path, locale: dict[str, str]) -> None:
    url = with_incidents(f"sqlite:///{folder}/bridge.db", 1, alertname="Größe 🙂")
    done = process("incidents", "show", "1", "--database", url, **locale)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Gr" in done.stdout


def test_an_argument_that_is_not_utf8_is_accepted(folder: Path) -> None:
    done = process("route", "severity=critical", "team=\udcff", "--config", "routes.yaml")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"pagerduty-ml" in done.stdout


def test_a_password_that_is_not_utf8_is_refused(folder: Path) -> None:
    for locale in ({"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}):
        done = process("hash-password", shell="< binary", **locale)
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr == b"Error: the input is not UTF-8 text, at character 1\n"
