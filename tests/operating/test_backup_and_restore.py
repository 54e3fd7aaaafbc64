"""A backup of a running bridge, and another bridge that continues from it: nothing pages twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import Bridge, eventually
from tests.end_to_end.notified import mails, pages, posts, settled
from tests.end_to_end.webhooks import Storm, webhook
from tests.operating.machines import bridge_command, new_database, postgres_tool, routes

SIZE, LATER = 200, 20


@dataclass(frozen=True)
class BackupProcedure:
    """How one kind of database is backed up and restored as another database, according to docs/operating.md."""

    database: str
    back_up: Callable[[], None]
    restore: Callable[[], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def procedure(request: pytest.FixtureRequest, tmp_path: Path) -> BackupProcedure:
    backup = tmp_path / "kept"
    if request.param == "sqlite":
        url, new = f"sqlite:///{tmp_path}/bridge.db", tmp_path / "new" / "bridge.db"

        def back_up() -> None:
            done = bridge_command("backup", str(backup), "--database", url)
            assert done.returncode == 0, done.stderr

        def restore() -> str:
            new.parent.mkdir()
            shutil.copy(backup, new)
            return f"sqlite:///{new}"

        return BackupProcedure(url, back_up, restore)
    server: str = request.getfixturevalue("postgres_url")
    used = new_database(server)

    def dump() -> None:
        postgres_tool("pg_dump", used, "--format=custom", f"--file={backup}")

    def restore_dump() -> str:
        new = new_database(server)
        postgres_tool("pg_restore", new, "--no-owner", "--exit-on-error", str(backup))
        return new

    return BackupProcedure(used, dump, restore_dump)


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox, token: str, procedure: BackupProcedure) -> Iterator[Bridge]:
    bridge = Bridge(tmp_path, sandbox.environment(token), routes(tmp_path), database=procedure.database)
    try:
        bridge.start()
        yield bridge
    finally:
        bridge.stop()


def replace_by_the_backup(bridge: Bridge, procedure: BackupProcedure) -> None:
    """The machine is lost, with everything that it accepted since."""
    bridge.kill_everything()
    bridge.database = procedure.restore()
    done = bridge_command("restored", "--database", bridge.database)
    assert done.returncode == 0, done.stderr
    bridge.start()


def test_restoring_a_backup_made_in_a_storm_pages_once(
    bridge: Bridge, procedure: BackupProcedure, sandbox: RunningSandbox, token: str
) -> None:
    storm, later = Storm(bridge, token, SIZE), Storm(bridge, token, LATER, first=SIZE)
    storm.start()
    eventually(lambda: storm.accepted > SIZE // 4, 100)
    procedure.back_up()
    storm.finish()
    later.start()
    later.finish()
    assert (storm.accepted, later.accepted) == (SIZE, LATER)
    eventually(lambda: len(pages(sandbox)) == SIZE + LATER, 100)
    replace_by_the_backup(bridge, procedure)
    assert SIZE // 4 < len(bridge.incidents()) <= SIZE  # the backup lacks later incidents
    again = Storm(bridge, token, SIZE + LATER)  # Alertmanager repeats what still fires
    again.start()
    again.finish()
    eventually(lambda: settled(bridge.url))
    assert len(bridge.incidents()) == SIZE + LATER
    assert (len(pages(sandbox)), {page["pages"] for page in pages(sandbox)}) == (SIZE + LATER, {1})


def test_a_delivery_sent_after_the_backup_is_not_sent_again(
    bridge: Bridge, procedure: BackupProcedure, sandbox: RunningSandbox, token: str
) -> None:
    for target in ("slack", "pagerduty", "smtp"):
        sandbox.fault(target=target, kind="outage")
    for number, severity in enumerate(("critical", "warning", "info")):
        post(bridge, token, number, severity)
    eventually(lambda: bridge.log().count("delivery_failed") >= 3)
    procedure.back_up()
    sandbox.clear_faults()
    eventually(lambda: pages(sandbox) and mails(sandbox) and posts(sandbox))
    seen = (len(pages(sandbox)), len(posts(sandbox)), message_ids(sandbox))
    replace_by_the_backup(bridge, procedure)
    eventually(lambda: settled(bridge.url))
    assert (len(pages(sandbox)), len(posts(sandbox)), message_ids(sandbox)) == seen
    assert [page["pages"] for page in pages(sandbox)] == [1]


def post(bridge: Bridge, token: str, number: int, severity: str) -> int:
    body = webhook(number)
    body["alerts"][0]["labels"]["severity"] = severity
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{bridge.url}/webhook/alertmanager/prod", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["incident"])


def message_ids(sandbox: RunningSandbox) -> set[str]:
    """A mail that is sent again has the same Message-ID: its reader sees one."""
    return {mail["message_id"] for mail in mails(sandbox)}


def test_an_incident_number_from_after_the_backup_is_not_used_again(
    bridge: Bridge, procedure: BackupProcedure, sandbox: RunningSandbox, token: str
) -> None:
    before = post(bridge, token, 1, "info")
    procedure.back_up()
    lost = post(bridge, token, 2, "info")
    replace_by_the_backup(bridge, procedure)
    after = post(bridge, token, 3, "info")
    assert (lost, after) == (before + 1, before + 1001)


def test_an_incident_of_the_backup_is_continued(
    bridge: Bridge, procedure: BackupProcedure, sandbox: RunningSandbox, token: str
) -> None:
    number = post(bridge, token, 7, "info")
    eventually(partial(posts, sandbox))
    eventually(lambda: settled(bridge.url))
    procedure.back_up()
    replace_by_the_backup(bridge, procedure)
    end = webhook(7, "resolved")
    end["alerts"][0] |= {"status": "resolved", "endsAt": "2026-03-01T12:05:00Z"}
    end["alerts"][0]["labels"]["severity"] = "info"
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{bridge.url}/webhook/alertmanager/prod", json=end, headers=headers, timeout=60)
    assert answer.json()["incident"] == number
    eventually(lambda: posts(sandbox)[0]["edits"])
    eventually(lambda: settled(bridge.url))
    assert len(posts(sandbox)) == 1


def test_the_database_of_a_running_bridge_is_not_restored(bridge: Bridge, procedure: BackupProcedure) -> None:
    if not procedure.database.startswith("sqlite"):
        pytest.skip("on PostgreSQL the operator stops the bridge")
    refused = bridge_command("restored", "--database", bridge.database)
    assert (refused.returncode, "is in use: stop the bridge" in refused.stderr) == (1, True)
    bridge.stop()
    assert bridge_command("restored", "--database", bridge.database).returncode == 0
