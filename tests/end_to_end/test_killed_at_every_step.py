"""Killed at each step of an alert's way, started again: nothing is lost, and people see everything once."""

from __future__ import annotations

import multiprocessing
import secrets
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.running import RunningSandbox
from tests.end_to_end.machines import eventually, free_port
from tests.end_to_end.mortal import CHANNELS, FROZEN, WEB, WORKER, Life, live
from tests.end_to_end.test_alert_to_people import mails, pages, posts, webhook

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
#: Whoever dies there does not know whether the message arrived, and must send it again.
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

    def tell(self, status: str) -> None:
        """As Alertmanager does: again and again until it gets a 2xx."""
        eventually(lambda: self._post(status))
        eventually(lambda: self.told(2 if status == "resolved" else 1))

    def _post(self, status: str) -> bool:
        return requests.post(f"http://{self.life.listen}/webhook/alertmanager", json=webhook(1, status), timeout=5).ok

    def told(self, revision: int) -> bool:
        found = requests.get(f"http://{self.life.listen}/api/v1/incidents/1", timeout=5).json()
        shown = Counter((each["status"], each["sent"]) for each in found.get("deliveries", ()))
        return shown == {("delivered", revision): len(CHANNELS)}


@contextmanager
def mortals(life: Life) -> Iterator[Mortals]:
    running = Mortals(life)
    keepers = [threading.Thread(target=running.keep_alive, args=(half,)) for half in ("web", "worker")]
    for keeper in keepers:
        keeper.start()
    try:
        yield running
    finally:
        running.ended = True
        for keeper in keepers:
            keeper.join(30)


def a_life(folder: Path, sandbox: RunningSandbox, database: str, *deaths: tuple[str, str], slack: str) -> Life:
    text = ROUTES.format(http=sandbox.http_url, smtp=sandbox.smtp_address, slack=slack)
    (folder / "routes.yaml").write_text(text)
    secret = {"PAGERDUTY_ROUTING_KEY": secrets.token_hex(16), "SLACK_BOT_TOKEN": f"xoxb-{secrets.token_hex(12)}"}
    return Life(folder, secret, database, f"127.0.0.1:{free_port()}", deaths)


def fire_and_resolve(life: Life) -> None:
    with mortals(life) as bridge:
        bridge.tell("firing")
        bridge.tell("resolved")


def people_see_it_once(sandbox: RunningSandbox) -> None:
    assert [("resolved", 1)] == [(page["status"], page["pages"]) for page in pages(sandbox)]
    (post,) = posts(sandbox)
    assert ["ended" in reply["text"] for reply in post["thread"]] == [True]
    assert len({mail["message_id"] for mail in mails(sandbox)}) == len(mails(sandbox)) == 2
    assert [0, 0] == [mail["altered_copies"] for mail in mails(sandbox)]


def arrivals(sandbox: RunningSandbox) -> dict[str, Any]:
    """How often the vendors took the beginning, and the end."""
    events = Counter(event["event_action"] for event in sandbox.state["pagerduty"]["events"])
    return {
        "pagerduty": [events["trigger"], events["resolve"]],
        "slack": [len(posts(sandbox)), len(posts(sandbox)[0]["thread"])],
        "email": [mail["copies"] for mail in mails(sandbox)],
    }


@pytest.mark.parametrize(("point", "whose"), STEPS)
def test_killed_at_this_step_of_beginning_and_end(
    tmp_path: Path, sandbox: RunningSandbox, point: str, whose: str
) -> None:
    life = a_life(tmp_path, sandbox, f"sqlite:///{tmp_path}/bridge.db", (point, whose), slack="C0CRASHES1")
    fire_and_resolve(life)
    assert 2 == len(life.died)
    people_see_it_once(sandbox)
    arrived = arrivals(sandbox)
    if whose in arrived:
        assert ([2, 2] if point in UNKNOWN and whose != "slack" else [1, 1]) == arrived[whose]
