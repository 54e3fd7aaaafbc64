"""A backup of a bridge at work, and another bridge that goes on from it: nobody is paged twice."""

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
from tests.operating.machines import bridge_command, environment, new_database, postgres_tool, routes

SIZE, LATER = 200, 20


@dataclass(frozen=True)
class Keeper:
    """How one kind of database is backed up, and restored as another database, as docs/operating.md says."""

    database: str
    back_up: Callable[[], None]
    restore: Callable[[], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Keeper:
    kept = tmp_path / "kept"
    if request.param == "sqlite":
        url, new = f"sqlite:///{tmp_path}/bridge.db", tmp_path / "new" / "bridge.db"

        def back_up() -> None:
            done = bridge_command("backup", str(kept), "--database", url)
            assert done.returncode == 0, done.stderr

        def restore() -> str:
            new.parent.mkdir()
            shutil.copy(kept, new)
            return f"sqlite:///{new}"

        return Keeper(url, back_up, restore)
    server: str = request.getfixturevalue("postgres_url")
    used = new_database(server)

    def dump() -> None:
        postgres_tool("pg_dump", used, "--format=custom", f"--file={kept}")

    def restore_dump() -> str:
        new = new_database(server)
        postgres_tool("pg_restore", new, "--no-owner", "--exit-on-error", str(kept))
        return new

    return Keeper(used, dump, restore_dump)


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox, token: str, keeper: Keeper) -> Iterator[Bridge]:
    bridge = Bridge(tmp_path, environment(sandbox, token), routes(tmp_path), database=keeper.database)
    try:
        bridge.start()
        yield bridge
    finally:
        bridge.stop()


def go_on_from_the_backup(bridge: Bridge, keeper: Keeper) -> None:
    """The machine is lost, with all that it took in since."""
    bridge.kill_everything()
    bridge.database = keeper.restore()
    told = bridge_command("restored", "--database", bridge.database)
    assert told.returncode == 0, told.stderr
    bridge.start()


def test_restoring_a_backup_that_was_made_in_a_storm_pages_nobody_twice(
    bridge: Bridge, keeper: Keeper, sandbox: RunningSandbox, token: str
) -> None:
    storm, later = Storm(bridge, token, SIZE), Storm(bridge, token, LATER, first=SIZE)
    storm.start()
    eventually(lambda: storm.accepted > SIZE // 4, 100)
    keeper.back_up()
    storm.finish()
    later.start()
    later.finish()
    assert (storm.accepted, later.accepted) == (SIZE, LATER)
    eventually(lambda: len(pages(sandbox)) == SIZE + LATER, 100)
    go_on_from_the_backup(bridge, keeper)
    assert SIZE // 4 < len(bridge.incidents()) <= SIZE  # the backup knows nothing of what came after it
    again = Storm(bridge, token, SIZE + LATER)  # Alertmanager tells what still fires
    again.start()
    again.finish()
    eventually(lambda: settled(bridge.url))
    assert len(bridge.incidents()) == SIZE + LATER
    assert (len(pages(sandbox)), {page["pages"] for page in pages(sandbox)}) == (SIZE + LATER, {1})


def test_what_waited_in_the_backup_and_was_sent_since_is_not_sent_again(
    bridge: Bridge, keeper: Keeper, sandbox: RunningSandbox, token: str
) -> None:
    for target in ("slack", "pagerduty", "smtp"):
        sandbox.fault(target=target, kind="outage")
    for number, severity in enumerate(("critical", "warning", "info")):
        post(bridge, token, number, severity)
    eventually(lambda: bridge.log().count("delivery_failed") >= 3)
    keeper.back_up()
    sandbox.clear_faults()
    eventually(lambda: pages(sandbox) and mails(sandbox) and posts(sandbox))
    seen = (len(pages(sandbox)), len(posts(sandbox)), message_ids(sandbox))
    go_on_from_the_backup(bridge, keeper)
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
    """A mail that is sent again is the same mail: whoever reads it sees one."""
    return {mail["message_id"] for mail in mails(sandbox)}


def test_a_number_that_was_given_after_the_backup_is_not_given_again(
    bridge: Bridge, keeper: Keeper, sandbox: RunningSandbox, token: str
) -> None:
    before = post(bridge, token, 1, "info")
    keeper.back_up()
    lost = post(bridge, token, 2, "info")
    go_on_from_the_backup(bridge, keeper)
    after = post(bridge, token, 3, "info")
    assert (lost, after) == (before + 1, before + 1001)


def test_an_incident_of_the_backup_goes_on_where_it_was(
    bridge: Bridge, keeper: Keeper, sandbox: RunningSandbox, token: str
) -> None:
    number = post(bridge, token, 7, "info")
    eventually(partial(posts, sandbox))
    eventually(lambda: settled(bridge.url))
    keeper.back_up()
    go_on_from_the_backup(bridge, keeper)
    end = webhook(7, "resolved")
    end["alerts"][0] |= {"status": "resolved", "endsAt": "2026-03-01T12:05:00Z"}
    end["alerts"][0]["labels"]["severity"] = "info"
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{bridge.url}/webhook/alertmanager/prod", json=end, headers=headers, timeout=60)
    assert answer.json()["incident"] == number
    eventually(lambda: posts(sandbox)[0]["edits"])
    eventually(lambda: settled(bridge.url))
    assert len(posts(sandbox)) == 1


def test_a_database_that_a_bridge_has_open_is_not_taken_for_a_copy(bridge: Bridge, keeper: Keeper) -> None:
    if not keeper.database.startswith("sqlite"):
        pytest.skip("PostgreSQL's is stopped by who restores it")
    refused = bridge_command("restored", "--database", bridge.database)
    assert (refused.returncode, "is in use: stop the bridge" in refused.stderr) == (1, True)
    bridge.stop()
    assert bridge_command("restored", "--database", bridge.database).returncode == 0
