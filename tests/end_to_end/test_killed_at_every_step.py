"""Killed at each step of an alert's way, started again: nothing is lost, and responders see everything once."""

from __future__ import annotations

import multiprocessing
import secrets
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from dev.stack.free_port import free_port
from tests.end_to_end.machines import eventually
from tests.end_to_end.mortal import CHANNELS, FROZEN, WEB, WORKER, Life, live
from tests.end_to_end.notified import mails, pages, posts
from tests.end_to_end.webhooks import webhook

# One process imports everything once; each life is a fork of it, so that a death costs no second start.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.end_to_end.mortal"])

ROUTES = """\
channels:
  pagerduty:
    type: pagerduty
    routing_key: ${{PAGERDUTY_ROUTING_KEY}}
    base_url: {http}
  slack:
    type: slack
    token: ${{SLACK_BOT_TOKEN}}
    channel: "{slack}"
    base_url: {http}/api/
    rate: unlimited
  email:
    type: email
    smarthost: {smtp}
    tls: none
    from: bridge@example.org
    to: [ml@example.org]
route:
  notify: [pagerduty, slack, email]
"""
#: A worker that dies there does not know whether the message arrived, and must send it again.
UNKNOWN = ("vendor accepted", "before settle", "settling")
STEPS = [(point, "web") for point in WEB]
STEPS += [(point, channel) for point in WORKER for channel in CHANNELS] + [(FROZEN, "email")]


@dataclass
class Mortals:
    """A web and a worker, each started again when it is killed, as the supervisor does."""

    life: Life
    ended = False

    def keep_alive(self, half: str) -> None:
        while not self.ended:
            process = PROCESSES.Process(target=live, args=(half, self.life), daemon=True)
            process.start()
            while not self.ended and process.is_alive():
                process.join(0.05)
            process.terminate()
            process.join()
            assert process.exitcode in (0, -signal.SIGKILL, -signal.SIGTERM), f"{half}.log says why"
            process.close()

    def post_and_wait(self, status: str, number: int = 1) -> None:
        """As Alertmanager does: again and again until it gets a 2xx."""
        eventually(lambda: self._post(number, status))
        eventually(lambda: self.delivered(number, 2 if status == "resolved" else 1))

    def post(self, number: int, status: str) -> None:
        eventually(lambda: self._post(number, status))

    def _post(self, number: int, status: str) -> bool:
        url = f"http://{self.life.listen}/webhook/alertmanager"
        return requests.post(url, json=webhook(number, status), timeout=60).ok

    def delivered(self, number: int, revision: int) -> bool:
        """By its title: PostgreSQL does not use the number of a rolled back transaction again."""
        incidents = f"http://{self.life.listen}/api/v1/incidents"
        listed = requests.get(incidents, timeout=60).json()["incidents"]
        (its,) = [each["number"] for each in listed if each["title"] == f"Storm{number}"]
        found = requests.get(f"{incidents}/{its}", timeout=60).json()
        shown = Counter((each["status"], each["sent"]) for each in found["deliveries"])
        return shown == {("delivered", revision): len(CHANNELS)}


@contextmanager
def mortals(life: Life, workers: int = 1) -> Iterator[Mortals]:
    running = Mortals(life)
    halves = ("web", *["worker"] * workers)
    keepers = [threading.Thread(target=running.keep_alive, args=(half,)) for half in halves]
    for keeper in keepers:
        keeper.start()
    try:
        yield running
    finally:
        running.ended = True
        for keeper in keepers:
            keeper.join(300)


def a_life(
    folder: Path, sandbox: RunningSandbox, database: str, *deaths: tuple[str, str], slack: str = "C0CRASHES1"
) -> Life:
    text = ROUTES.format(http=sandbox.http_url, smtp=sandbox.smtp_address, slack=slack)
    (folder / "routes.yaml").write_text(text)
    secret = {"PAGERDUTY_ROUTING_KEY": secrets.token_hex(16), "SLACK_BOT_TOKEN": f"xoxb-{secrets.token_hex(12)}"}
    return Life(folder, secret, database, f"127.0.0.1:{free_port()}", deaths)


def fire_and_resolve(life: Life) -> None:
    with mortals(life) as bridge:
        bridge.post_and_wait("firing")
        bridge.post_and_wait("resolved")


def everything_is_shown_once(sandbox: RunningSandbox) -> None:
    assert [(page["status"], page["pages"]) for page in pages(sandbox)] == [("resolved", 1)]
    (post,) = posts(sandbox)
    assert ["ended" in reply["text"] for reply in post["thread"]] == [True]
    assert len({mail["message_id"] for mail in mails(sandbox)}) == len(mails(sandbox)) == 2
    assert [mail["altered_copies"] for mail in mails(sandbox)] == [0, 0]


def arrivals(sandbox: RunningSandbox) -> dict[str, list[int]]:
    """How often the vendors took the beginning, and the end."""
    events = Counter(event["event_action"] for event in sandbox.state["pagerduty"]["events"])
    return {
        "pagerduty": [events["trigger"], events["resolve"]],
        "slack": [len(posts(sandbox)), len(posts(sandbox)[0]["thread"])],
        "email": [mail["copies"] for mail in mails(sandbox)],
    }


@pytest.fixture
def sqlite(migrated: Path, tmp_path: Path) -> str:
    shutil.copy(migrated, tmp_path / "bridge.db")
    return f"sqlite:///{tmp_path}/bridge.db"


@pytest.mark.parametrize(("point", "whose"), STEPS)
def test_killed_there_it_loses_nothing_and_notifies_once(
    tmp_path: Path, sandbox: RunningSandbox, sqlite: str, point: str, whose: str
) -> None:
    life = a_life(tmp_path, sandbox, sqlite, (point, whose))
    fire_and_resolve(life)
    assert len(life.died) == 2
    everything_is_shown_once(sandbox)
    if whose in CHANNELS:
        times = 2 if point in UNKNOWN and whose != "slack" else 1
        assert arrivals(sandbox)[whose] == [times, times]


def test_both_halves_killed_at_once(tmp_path: Path, sandbox: RunningSandbox, sqlite: str) -> None:
    life = a_life(tmp_path, sandbox, sqlite, ("after commit", "web"), ("vendor accepted", "slack"))
    fire_and_resolve(life)
    assert len(life.died) == 4
    everything_is_shown_once(sandbox)


def test_two_workers_on_one_file_lose_nothing_and_notify_once(
    tmp_path: Path, sandbox: RunningSandbox, sqlite: str
) -> None:
    """One of them dies when Slack has taken a message, and again when it has a mail's bytes."""
    life = a_life(tmp_path, sandbox, sqlite, ("vendor accepted", "slack"), (FROZEN, "email"))
    with mortals(life, workers=2) as bridge:
        for number in range(1, 21):
            bridge.post(number, "firing")
        for number in range(1, 21):
            eventually(partial(bridge.delivered, number, 1))
    assert len(life.died) == 2
    assert [(page["status"], page["pages"]) for page in pages(sandbox)] == [("triggered", 1)] * 20
    assert len(posts(sandbox)) == 20
    assert len(mails(sandbox)) == 20
    assert {(mail["copies"], mail["altered_copies"]) for mail in mails(sandbox)} == {(1, 0)}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("point", "whose"), [("before commit", "web"), ("settling", "email"), ("settled", "slack")])
def test_killed_there_on_postgresql(
    tmp_path: Path, sandbox: RunningSandbox, database_url: str, point: str, whose: str
) -> None:
    life = a_life(tmp_path, sandbox, database_url, (point, whose))
    fire_and_resolve(life)
    assert len(life.died) == 2
    everything_is_shown_once(sandbox)


def test_a_slack_channel_that_is_known_by_name_is_searched_too(
    tmp_path: Path, sandbox: RunningSandbox, sqlite: str
) -> None:
    """Slack reads no channel by name; what it answered for another incident contains the channel's id."""
    with mortals(a_life(tmp_path, sandbox, sqlite, slack="#crashes")) as bridge:
        bridge.post_and_wait("firing", 1)
    life = a_life(tmp_path, sandbox, sqlite, ("vendor accepted", "slack"), slack="#crashes")
    with mortals(life) as bridge:
        bridge.post_and_wait("firing", 2)
    assert len(life.died) == 1
    assert len(posts(sandbox)) == 2
