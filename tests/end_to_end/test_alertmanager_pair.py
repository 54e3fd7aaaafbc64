"""Alertmanagers in trouble: apart from each other, restarted, refused for a while, regrouped. One page a problem."""

from __future__ import annotations

from pathlib import Path

import requests

from dev.sandbox.running import RunningSandbox
from dev.stack.free_port import free_port
from tests.end_to_end.machines import Bridge, end, eventually, fire, running_alertmanager
from tests.end_to_end.notified import pages, settled
from tests.end_to_end.reconciling import Start, await_rounds


def notified(alertmanager: str) -> float:
    lines = requests.get(f"{alertmanager}/metrics", timeout=60).text.splitlines()
    name = "alertmanager_notifications_total{"
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name) and "webhook" in line)


def test_a_pair_that_lost_sight_of_each_other_sends_one_page_and_one_end(
    tmp_path: Path, bridge: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    with (
        running_alertmanager(tmp_path / "one", bridge.url, token) as left,
        running_alertmanager(tmp_path / "two", bridge.url, token) as right,
    ):
        for each in (left, right):
            fire(each, "ErrorsHigh", "critical")
        eventually(lambda: notified(left) and notified(right))
        eventually(lambda: pages(sandbox))
        end(left, "ErrorsHigh", "critical")
        eventually(lambda: pages(sandbox)[0]["status"] == "resolved")
        before = notified(right)
        end(right, "ErrorsHigh", "critical")
        eventually(lambda: notified(right) > before)
        eventually(lambda: settled(bridge.url))
    assert [(page["status"], page["pages"]) for page in pages(sandbox)] == [("resolved", 1)]
    assert [incident["state"] for incident in bridge.incidents()] == ["resolved"]


def test_an_alertmanager_that_starts_again_does_not_page_again(
    tmp_path: Path, bridge: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    """Its log of notifications is taken away too: it sends the group anew, as one on a new disk does."""
    port = free_port()
    with running_alertmanager(tmp_path / "before", bridge.url, token, port=port) as alertmanager:
        fire(alertmanager, "ErrorsHigh", "critical")
        eventually(lambda: pages(sandbox))
    with running_alertmanager(tmp_path / "after", bridge.url, token, port=port) as alertmanager:
        fire(alertmanager, "ErrorsHigh", "critical")
        eventually(lambda: notified(alertmanager))
        eventually(lambda: settled(bridge.url))
        assert [(page["status"], page["pages"]) for page in pages(sandbox)] == [("triggered", 1)]
        end(alertmanager, "ErrorsHigh", "critical")
        eventually(lambda: pages(sandbox)[0]["status"] == "resolved")
    assert len(bridge.incidents()) == 1


def test_what_the_bridge_could_not_store_is_sent_again_and_pages_once(
    alertmanager: str, bridge: Bridge, sandbox: RunningSandbox
) -> None:
    lock_file = bridge.folder / "bridge.db.turn"
    lock_file.unlink()
    lock_file.mkdir()  # as a disk that takes no more files: nothing can be written
    fire(alertmanager, "ErrorsHigh", "critical")
    eventually(lambda: "webhook not stored" in bridge.log())
    assert pages(sandbox) == []
    lock_file.rmdir()
    eventually(lambda: pages(sandbox))
    eventually(lambda: settled(bridge.url))
    assert [(page["status"], page["pages"]) for page in pages(sandbox)] == [("triggered", 1)]
    assert len(bridge.incidents()) == 1


def test_a_changed_group_by_pages_once_for_each_new_group_and_the_old_ones_end_with_their_alerts(
    tmp_path: Path, bridge: Bridge, asking: Start, sandbox: RunningSandbox, token: str
) -> None:
    """A group is an incident. Alertmanager sends nothing of the old groups any more; the bridge asks."""
    pods = ("a", "b")
    with running_alertmanager(tmp_path / "one", bridge.url, token) as alertmanager:
        asking(alertmanager)
        for pod in pods:
            fire(alertmanager, "ErrorsHigh", "critical", pod=pod)
        eventually(lambda: pages(sandbox))
        await_rounds(bridge, "ok", 1)
        regroup(tmp_path / "one" / "alertmanager.yml", alertmanager)
        eventually(lambda: len(pages(sandbox)) == 3)
        await_rounds(bridge, "ok", 6)
        assert [(page["status"], page["pages"]) for page in pages(sandbox)] == [("triggered", 1)] * 3
        for pod in pods:
            end(alertmanager, "ErrorsHigh", "critical", pod=pod)
        eventually(lambda: {page["status"] for page in pages(sandbox)} == {"resolved"})
    assert [page["pages"] for page in pages(sandbox)] == [1] * 3
    assert [incident["state"] for incident in bridge.incidents()] == ["resolved"] * 3


def regroup(config: Path, alertmanager: str) -> None:
    text = config.read_text()
    assert text.count("group_by: [alertname, job]") == 2
    config.write_text(text.replace("group_by: [alertname, job]", "group_by: [alertname, job, pod]"))
    requests.post(f"{alertmanager}/-/reload", timeout=60).raise_for_status()
