"""A real Alertmanager, the real bridge processes, and what responders see in the sandbox."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dev.sandbox.running import RunningSandbox
from dev.stack.free_port import free_port
from tests.end_to_end.machines import Bridge, end, eventually, fire, running_alertmanager
from tests.end_to_end.notified import mails, pages, posts, settled
from tests.end_to_end.webhooks import Storm


def test_each_severity_reaches_its_responders_and_so_does_the_end(
    alertmanager: str, sandbox: RunningSandbox, bridge: Bridge
) -> None:
    for name, severity in (("ErrorsHigh", "critical"), ("MemoryHigh", "warning"), ("Deployed", "info")):
        fire(alertmanager, name, severity)
    eventually(lambda: pages(sandbox) and mails(sandbox) and posts(sandbox))
    assert [(page["status"], page["pages"]) for page in pages(sandbox)] == [("triggered", 1)]
    assert "ErrorsHigh" in str(pages(sandbox)[0])
    assert "MemoryHigh" in mails(sandbox)[0]["subject"]
    assert "Deployed" in str(posts(sandbox)[0])
    for name, severity in (("ErrorsHigh", "critical"), ("MemoryHigh", "warning"), ("Deployed", "info")):
        end(alertmanager, name, severity)
    eventually(lambda: pages(sandbox)[0]["status"] == "resolved")
    eventually(lambda: len(mails(sandbox)) == 2)
    eventually(lambda: posts(sandbox)[0]["edits"])
    assert pages(sandbox)[0]["pages"] == 1
    assert mails(sandbox)[0]["subject"] == mails(sandbox)[1]["subject"]
    assert len(posts(sandbox)) == 1
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
    assert [page["pages"] for page in pages(sandbox)] == [1]
    assert len(bridge.incidents()) == 1


def test_an_outage_of_a_vendor_delays_and_loses_nothing(
    alertmanager: str, sandbox: RunningSandbox, bridge: Bridge
) -> None:
    sandbox.fault(target="pagerduty", kind="outage")
    fire(alertmanager, "ErrorsHigh", "critical")
    fire(alertmanager, "Deployed", "info")
    eventually(lambda: posts(sandbox))  # the others go on
    eventually(lambda: "delivery_failed" in bridge.log())
    assert pages(sandbox) == []
    sandbox.clear_faults()
    eventually(lambda: pages(sandbox))
    assert [page["pages"] for page in pages(sandbox)] == [1]


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
    assert storm.accepted == size
    eventually(lambda: len(pages(sandbox)) == size)
    eventually(lambda: settled(bridge.url))
    assert {page["pages"] for page in pages(sandbox)} == {1}
    eventually(bridge.ready)
