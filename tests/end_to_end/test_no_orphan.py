"""When a parent is killed its children end, and the next start takes over at once: nothing is lost in between."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests

from dev.sandbox.running import RunningSandbox, running_sandbox
from tests.end_to_end.machines import ROOT, Bridge, eventually
from tests.end_to_end.notified import mails, pages
from tests.end_to_end.process_tree import DRAWING, alive, arguments, descendants, send, state
from tests.end_to_end.webhooks import Storm, webhook
from tests.operating.machines import routes

pytestmark = pytest.mark.timeout(240)

TOKEN = "t" * 32
ALERTS = 20
ORDERS = [
    order
    for size in (1, 2, 3)
    for order in itertools.permutations(("supervisor", "web", "worker"), size)
    if "supervisor" in order
]


@pytest.fixture(scope="module")
def vendors() -> Iterator[RunningSandbox]:
    with running_sandbox(history=100_000) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, vendors: RunningSandbox) -> Iterator[Bridge]:
    """Without PagerDuty's pace, so that a storm fits into a test."""
    folder = tmp_path_factory.mktemp("bridge")
    bridge = Bridge(folder, vendors.environment(TOKEN), routes(folder))
    try:
        yield bridge
    finally:
        bridge.stop()


@pytest.fixture
def bridge(running: Bridge, vendors: RunningSandbox) -> Iterator[Bridge]:
    """Complete, and nothing is left of it but what the test started."""
    if running.process is None or running.process.poll() is not None:
        running.start()
    eventually(lambda: running.pids("web") and running.pids("worker") and _worker_is_ready(running))
    family = list(processes_of(running).values())
    yield running
    vendors.clear_faults()
    assert running.process is not None
    for pid in alive(family):
        if running.process.poll() is not None or pid not in descendants(running.process.pid):
            send(pid, signal.SIGKILL)


def _worker_is_ready(bridge: Bridge) -> bool:
    return bridge.log().count('"worker_ready"') == bridge.log().count('"process": "worker"')


def processes_of(bridge: Bridge) -> dict[str, int]:
    assert bridge.process is not None
    (web,), (worker,) = bridge.pids("web"), bridge.pids("worker")
    return {"supervisor": bridge.process.pid, "web": web, "worker": worker}


def kill(bridge: Bridge, order: tuple[str, ...]) -> dict[str, int]:
    assert bridge.process is not None
    pids = processes_of(bridge)
    for name in order:
        os.kill(pids[name], signal.SIGKILL)
    bridge.process.wait(60)
    return pids


def takes_over(bridge: Bridge, vendors: RunningSandbox, old: dict[str, int]) -> None:
    """Started again at once, while alerts are posted to any process that listens: each is notified, once."""
    before = len(pages(vendors))
    storm = Storm(bridge, TOKEN, ALERTS, first=before)
    storm.start()
    bridge.start()
    storm.finish()
    assert storm.accepted == ALERTS
    eventually(lambda: before + ALERTS == len(pages(vendors)))
    assert {page["pages"] for page in pages(vendors)} == {1}
    eventually(lambda: not alive(old.values()))
    assert bridge.process is not None and bridge.process.poll() is None
    eventually(lambda: bridge.pids("web") and bridge.pids("worker"))
    eventually(bridge.ready)


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_killed_in_any_order_it_starts_again_at_once_and_delivers(
    bridge: Bridge, vendors: RunningSandbox, order: tuple[str, ...]
) -> None:
    takes_over(bridge, vendors, kill(bridge, order))


def test_no_process_is_left_of_a_bridge_that_is_not_started_again(bridge: Bridge) -> None:
    old = kill(bridge, ("supervisor",))
    eventually(lambda: not alive(old.values()))
    with pytest.raises(requests.ConnectionError):
        requests.get(bridge.url, timeout=5)


@pytest.mark.parametrize("half", ["web", "worker"])
def test_a_child_that_is_stopped_ends_too(bridge: Bridge, vendors: RunningSandbox, half: str) -> None:
    stopped = processes_of(bridge)[half]
    send(stopped, signal.SIGSTOP)
    eventually(lambda: state(stopped) == "T")
    takes_over(bridge, vendors, kill(bridge, ("supervisor",)))


def test_what_a_child_was_sending_when_its_parent_died_is_finished_first(
    bridge: Bridge, vendors: RunningSandbox
) -> None:
    vendors.fault(target="smtp", kind="latency", at="data", seconds=5, count=1)
    body = webhook(1_000_000)
    body["alerts"][0]["labels"]["severity"] = "warning"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = requests.post(f"{bridge.url}/webhook/alertmanager/prod", json=body, headers=headers, timeout=10)
    assert answer.status_code == 200
    eventually(lambda: not vendors.state["faults"])  # the server has the mail, and has not answered
    old = kill(bridge, ("supervisor",))
    bridge.start()
    (mail,) = eventually(lambda: mails(vendors))
    eventually(lambda: not alive(old.values()))
    eventually(lambda: _worker_is_ready(bridge))
    assert mail["copies"] == 1
    *_, ready = (line for line in bridge.log().splitlines() if '"worker_ready"' in line)
    assert json.loads(ready)["freed"] == 0  # no lease was left by one who died


@pytest.mark.parametrize("stopped", [False, True])
def test_the_drawing_process_ends_with_the_worker(stopped: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", DRAWING], cwd=ROOT, stdout=subprocess.PIPE) as worker:
        try:
            assert worker.stdout is not None
            drawing = int(worker.stdout.readline())
            assert "bridge.charts" in arguments(drawing)
            if stopped:
                send(drawing, signal.SIGSTOP)
                eventually(lambda: state(drawing) == "T")
        finally:
            worker.kill()
    try:
        eventually(lambda: not alive([drawing]))
    finally:
        send(drawing, signal.SIGKILL)
