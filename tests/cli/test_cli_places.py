"""Commands that send nothing need no secret; options are accepted anywhere; a backup can be restored."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from bridge.store import open_database
from bridge.store.database import NEWEST
from tests.cli.cli_fixtures import ROOT, ROUTES, is_traceback, run, with_incidents

SHIPPED = [ROUTES, str(ROOT / "k8s/base/config/routes.yaml"), str(ROOT / "k8s/components/gke/config/routes.yaml")]
PAYLOAD = json.dumps(
    {
        "version": "4", "groupKey": "{}", "status": "firing", "receiver": "r", "groupLabels": {}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "", "truncatedAlerts": 0,
        "alerts": [{
            "status": "firing", "labels": {"alertname": "A", "severity": "critical"}, "annotations": {},
            "startsAt": "2026-11-23T12:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "a" * 16}],
    }
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "payload.json").write_text(PAYLOAD)
    return tmp_path


@pytest.mark.parametrize("config", SHIPPED, ids=["one machine", "cluster", "gke"])
def test_commands_that_send_nothing_need_no_secret(folder: Path, config: str) -> None:
    url = with_incidents(f"sqlite:///{folder}/bridge.db", 2)
    lines = [
        ["route", "severity=critical", "--config", config],
        *(["preview", name, "payload.json", "--config", config] for name in ("pagerduty-ml", "slack-ml", "email-ml")),
        ["incidents", "ack", "1", "--config", config, "--database", url],
        ["incidents", "resolve", "1", "--config", config, "--database", url],
        ["incidents", "show", "1", "--database", url],
        ["incidents", "dead", "--database", url],
        ["backup", "copy.db", "--database", url],
        ["schema"],
    ]
    for words in lines:
        result = run(*words)
        assert not is_traceback(result), result.exception
        assert (result.exit_code, bool(result.output)) == (0, True), f"{words}: {result.stderr}"
        assert "stand-in" not in result.output


def test_commands_that_send_need_their_secrets(folder: Path) -> None:
    for words in (["send-test", "slack-ml"], ["worker"], ["web"], ["check", "--no-rules"]):
        result = run(*words, "--config", ROUTES)
        assert result.exit_code in (1, 2)
        assert "the environment variable SLACK_BOT_TOKEN is not set" in result.stderr + result.stdout
    assert [each.name for each in folder.iterdir()] == ["payload.json"]


def test_commands_that_send_nothing_need_no_secret_file(folder: Path) -> None:
    text = (
        "channels:\n"
        "  pd: {type: pagerduty, routing_key_file: /nowhere/key}\n"
        "  mail: {type: email, smarthost: 'mail.example.org:25', from: a@b.example.org, to: [c@b.example.org],"
        " username: u, password_file: /nowhere/password, ca_file: /nowhere/ca.pem}\n"
        "route: {notify: [pd, mail]}\n"
        "web: {users: {admin: '${HASH}'}}\n"
        "ping: {url_file: /nowhere/url}\n"
        "context: {prometheus: {url: 'http://p:9090', token_file: /nowhere/token}}\n"
    )
    (folder / "routes.yaml").write_text(text)
    result = run("route", "a=b")
    assert (result.exit_code, "-> pd (pagerduty)" in result.output) == (0, True), result.stderr


def test_a_variable_that_is_no_secret_is_still_needed(folder: Path) -> None:
    (folder / "routes.yaml").write_text(Path(ROUTES).read_text().replace("${SMTP_TO:-ml-oncall@example.org}", "${TO}"))
    result = run("route", "a=b")
    assert (result.exit_code, "the environment variable TO is not set" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "line",
    [
        "--database {url} incidents list",
        "--database {url} incidents",
        "incidents --database {url} list",
        "incidents list --database {url}",
        "incidents --database {url}",
        "--database sqlite:///wrong.db incidents list --database {url}",
        "incidents --database sqlite:///wrong.db list --database {url}",
        "--database {url} incidents dead",
        "--database {url} backup copy.db",
        "--config {config} --database {url} incidents ack 1",
        "incidents --config {config} --database {url} ack 1",
        "incidents ack 1 --config {config} --database {url}",
        "--config {config} route a=b",
    ],
)
def test_options_are_accepted_before_and_after_the_command(folder: Path, line: str) -> None:
    url = with_incidents(f"sqlite:///{folder}/mine.db")
    (folder / "mine.yaml").write_text(Path(ROUTES).read_text())
    words = line.format(url=url, config="mine.yaml").split()
    result = run(*words)
    assert result.exit_code == 0, result.stderr


def test_an_option_wins_over_the_environment(folder: Path) -> None:
    url = with_incidents(f"sqlite:///{folder}/mine.db")
    assert run("incidents", "list", environ={"BRIDGE_DATABASE_URL": url}).exit_code == 0
    wrong = {"BRIDGE_DATABASE_URL": "sqlite:///wrong.db"}
    assert "there is no database wrong.db" in run("incidents", "list", environ=wrong).stderr
    assert run("--database", url, "incidents", "list", environ=wrong).exit_code == 0


def files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_reading_changes_neither_the_database_nor_its_folder(folder: Path) -> None:
    url = with_incidents(f"sqlite:///{folder}/bridge.db")
    for each in folder.glob("bridge.db.*"):
        each.unlink()
    before = files(folder)
    for words in (["list"], ["show", "1"], ["dead"], ["replay", "--all", "--dry-run"]):
        assert run("incidents", *words, "--database", url).exit_code == 0
    assert files(folder) == before


def test_reading_sees_what_a_running_bridge_has_written(folder: Path) -> None:
    engine = open_database(with_incidents(f"sqlite:///{folder}/bridge.db"))
    with engine.connect():  # keeps the write-ahead log beside the file
        with_incidents(f"sqlite:///{folder}/bridge.db", 1, alertname="Later")
        assert (folder / "bridge.db-wal").exists()
        assert "Later" in run("incidents", "list", "--database", f"sqlite:///{folder}/bridge.db").output
    engine.dispose()


@pytest.mark.parametrize(
    ("version", "explanation"), [("0009", "`bridge serve` of this version"), ("9999", "a newer version")]
)
def test_a_database_of_another_version_is_not_changed(folder: Path, version: str, explanation: str) -> None:
    url = with_incidents(f"sqlite:///{folder}/bridge.db")
    with sqlite3.connect(folder / "bridge.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.close()
    for words in (["list"], ["ack", "1", "--config", ROUTES]):
        result = run("incidents", *words, "--database", url)
        assert (result.exit_code, explanation in result.stderr and NEWEST in result.stderr) == (1, True)
    with sqlite3.connect(folder / "bridge.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(version,)]
    connection.close()


def test_a_backup_of_a_running_bridge_can_be_restored(folder: Path) -> None:
    url = with_incidents(f"sqlite:///{folder}/bridge.db")
    live = open_database(url)
    with live.connect():  # the bridge keeps running
        assert run("backup", "copy.db", "--database", url).exit_code == 0
        for words in (["copy.db"], ["--database", f"sqlite:///{folder}/copy.db"], ["./copy.db"]):
            result = run("restored", *words)
            assert (result.exit_code, "1 waiting message" in result.output) == (0, True), result.stderr
    live.dispose()
    assert "#1" in run("incidents", "list", "--database", f"sqlite:///{folder}/copy.db").output


def test_the_database_of_a_running_bridge_is_not_restored(folder: Path) -> None:
    url = with_incidents(f"sqlite:///{folder}/bridge.db")
    live = open_database(url)
    with live.connect() as connection:
        connection.exec_driver_sql("SELECT 1 FROM incident").fetchall()
        result = run("restored", "--database", url)
        assert (result.exit_code, "is in use: stop the bridge that runs on it first" in result.stderr) == (1, True)
    live.dispose()
    assert run("restored", "--database", url).exit_code == 0


def test_the_database_of_a_killed_bridge_can_be_restored(folder: Path) -> None:
    """Its write-ahead log is beside it, and no process has it open."""
    live = open_database(with_incidents(f"sqlite:///{folder}/bridge.db"))
    with live.connect():
        with_incidents(f"sqlite:///{folder}/bridge.db", 1, alertname="Later")
        for ending in ("", "-wal", "-shm"):
            shutil.copy(folder / f"bridge.db{ending}", folder / f"killed.db{ending}")
    live.dispose()
    result = run("restored", "killed.db")
    assert (result.exit_code, "2 waiting messages" in result.output) == (0, True), result.stderr
    assert "Later" in run("incidents", "list", "--database", "sqlite:///killed.db").output


def test_restored_creates_no_database(folder: Path) -> None:
    result = run("restored")
    assert (result.exit_code, "there is no database bridge.db" in result.stderr) == (1, True)
    assert [each.name for each in folder.iterdir()] == ["payload.json"]


def undo_the_last_migration(database: Path) -> None:
    config, engine = Config(), sa.create_engine(f"sqlite:///{database}")
    config.set_main_option("script_location", str(ROOT / "bridge" / "store" / "migrations"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")
    engine.dispose()


def test_a_backup_of_an_older_version_is_migrated(folder: Path) -> None:
    with_incidents(f"sqlite:///{folder}/bridge.db")
    shutil.copy(folder / "bridge.db", folder / "old.db")
    undo_the_last_migration(folder / "old.db")
    with closing(sqlite3.connect(folder / "old.db")) as connection:
        (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert version < NEWEST
    assert run("restored", "old.db").exit_code == 0
    assert run("incidents", "list", "--database", "sqlite:///old.db").exit_code == 0


def test_an_empty_database_of_either_kind_stays_empty(folder: Path, empty_database_url: str) -> None:
    for words in (["incidents", "list"], ["incidents", "ack", "1", "--config", ROUTES], ["restored"]):
        result = run(*words, "--database", empty_database_url)
        assert (result.exit_code, "`bridge serve` makes one" in result.stderr) == (1, True), result.stderr
    if empty_database_url.startswith("postgresql"):
        engine = sa.create_engine(empty_database_url)
        assert sa.inspect(engine).get_table_names() == []
        engine.dispose()
    with_incidents(empty_database_url)
    assert "#1" in run("incidents", "list", "--database", empty_database_url).output
    assert run("incidents", "ack", "1", "--config", ROUTES, "--database", empty_database_url).exit_code == 0
    assert run("restored", "--database", empty_database_url).exit_code == 0
