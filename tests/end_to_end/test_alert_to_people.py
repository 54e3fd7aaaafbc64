"""A real Alertmanager, the real bridge processes, and what people see in the sandbox."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import Bridge, end, eventually, fire, free_port, running_alertmanager


def pages(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return list(sandbox.state["pagerduty"]["incidents"])


def posts(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    channels = sandbox.state["slack"]["channels"]
    return [message for channel in channels.values() for message in channel["messages"]]


def mails(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return list(sandbox.state["mail"])


def test_each_severity_reaches_its_people_and_so_does_the_end(
    alertmanager: str, sandbox: RunningSandbox, bridge: Bridge
) -> None:
    for name, severity in (("ErrorsHigh", "critical"), ("MemoryHigh", "warning"), ("Deployed", "info")):
        fire(alertmanager, name, severity)
    eventually(lambda: pages(sandbox) and mails(sandbox) and posts(sandbox))
    assert [("triggered", 1)] == [(page["status"], page["pages"]) for page in pages(sandbox)]
    assert "ErrorsHigh" in str(pages(sandbox)[0])
    assert "MemoryHigh" in mails(sandbox)[0]["subject"]
    assert "Deployed" in str(posts(sandbox)[0])
    for name, severity in (("ErrorsHigh", "critical"), ("MemoryHigh", "warning"), ("Deployed", "info")):
        end(alertmanager, name, severity)
    eventually(lambda: pages(sandbox)[0]["status"] == "resolved")
    eventually(lambda: len(mails(sandbox)) == 2)
    eventually(lambda: posts(sandbox)[0]["edits"])
    assert 1 == pages(sandbox)[0]["pages"]
    assert mails(sandbox)[0]["subject"] == mails(sandbox)[1]["subject"]
    assert 1 == len(posts(sandbox))
    eventually(lambda: all(incident["state"] == "resolved" for incident in bridge.incidents()))


def test_two_peers_of_a_pair_make_one_page(tmp_path: Path, bridge: Bridge, sandbox: RunningSandbox, token: str) -> None:
    first, second = free_port(), free_port()
    one = [f"--cluster.listen-address=127.0.0.1:{first}", f"--cluster.peer=127.0.0.1:{second}"]
    two = [f"--cluster.listen-address=127.0.0.1:{second}", f"--cluster.peer=127.0.0.1:{first}"]
    quick = ["--cluster.settle-timeout=2s", "--cluster.peer-timeout=1s"]
    with (
        running_alertmanager(tmp_path / "one", bridge.url, token, *one, *quick) as left,
        running_alertmanager(tmp_path / "two", bridge.url, token, *two, *quick) as right,
    ):
        fire(left, "ErrorsHigh", "critical")
        fire(right, "ErrorsHigh", "critical")
        eventually(lambda: pages(sandbox))
        time.sleep(4)
    assert [1] == [page["pages"] for page in pages(sandbox)]
    assert 1 == len(bridge.incidents())


def test_an_outage_of_a_vendor_delays_and_loses_nothing(
    alertmanager: str, sandbox: RunningSandbox, bridge: Bridge
) -> None:
    sandbox.fault(target="pagerduty", kind="outage")
    fire(alertmanager, "ErrorsHigh", "critical")
    fire(alertmanager, "Deployed", "info")
    eventually(lambda: posts(sandbox))  # the others go on
    eventually(lambda: "delivery_failed" in bridge.log())
    assert [] == pages(sandbox)
    sandbox.clear_faults()
    eventually(lambda: pages(sandbox))
    assert [1] == [page["pages"] for page in pages(sandbox)]


def webhook(number: int, status: str = "firing") -> dict[str, Any]:
    alert = {
        "status": status,
        "labels": {"alertname": f"Storm{number}", "severity": "critical"},
        "annotations": {"summary": "a storm"},
        "startsAt": "2026-03-01T12:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": f"{number:016x}",
    }
    labels = {"alertname": f"Storm{number}"}
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="Storm{number}"}}',
        "status": status,
        "receiver": "bridge",
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1",
        "alerts": [alert],
    }


class Storm:
    """Posts webhooks as Alertmanager does: again and again until it gets a 2xx."""

    def __init__(self, bridge: Bridge, token: str, size: int, first: int = 0) -> None:
        self._bridge, self._headers = bridge, {"Authorization": f"Bearer {token}"}
        self._numbers = range(first, first + size)
        self.accepted = 0
        self._threads = [threading.Thread(target=self._post, args=(part,), daemon=True) for part in range(4)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        for thread in self._threads:
            thread.join(300)

    def _post(self, part: int) -> None:
        for number in self._numbers[part::4]:
            while not self._accepted(number):
                time.sleep(0.1)
            self.accepted += 1

    def _accepted(self, number: int) -> bool:
        url = f"{self._bridge.url}/webhook/alertmanager/prod"
        try:
            return requests.post(url, json=webhook(number), headers=self._headers, timeout=60).ok
        except requests.RequestException:
            return False


@pytest.fixture
def fast_routes(tmp_path: Path, bridge: Bridge) -> Bridge:
    """The shipped routes without PagerDuty's pace, so that a storm fits into a test."""
    config = tmp_path / "routes.yaml"
    text = bridge.config.read_text()
    pace = "rate: 120/m "
    assert pace in text
    config.write_text(text.replace(pace, "rate: unlimited "))
    bridge.stop()
    bridge.config = config
    bridge.start()
    return bridge


@pytest.mark.parametrize("victim", ["web", "worker", "everything"])
def test_killing_it_in_mid_storm_loses_nothing_and_pages_once(
    fast_routes: Bridge, sandbox: RunningSandbox, token: str, victim: str
) -> None:
    bridge, size = fast_routes, 300
    storm = Storm(bridge, token, size)
    storm.start()
    eventually(lambda: storm.accepted > size // 4)
    if victim == "everything":
        bridge.kill_everything()
        bridge.start()
    else:
        bridge.kill(victim)
    storm.finish()
    assert size == storm.accepted
    eventually(lambda: len(pages(sandbox)) == size)
    time.sleep(1)
    assert {1} == {page["pages"] for page in pages(sandbox)}
    eventually(bridge.ready)
