"""What docs/operating.md expects of Alertmanager while the bridge is down, and when it returns with a new database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from dev.sandbox.running import RunningSandbox
from tests.alertmanager.real_alertmanager import dedup_checks
from tests.end_to_end.machines import Bridge, eventually, fire, running_alertmanager
from tests.end_to_end.notified import pages, settled
from tests.operating.machines import routes

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


@contextmanager
def running(folder: Path, sandbox: RunningSandbox, token: str) -> Iterator[Bridge]:
    folder.mkdir()
    bridge = Bridge(folder, sandbox.environment(token), routes(folder))
    try:
        bridge.start()
        yield bridge
    finally:
        bridge.stop()


def test_a_bridge_with_a_new_database_is_notified_again_after_repeat_interval_is_shortened(
    tmp_path: Path, sandbox: RunningSandbox, token: str
) -> None:
    with (
        running(tmp_path / "first", sandbox, token) as bridge,
        running_alertmanager(tmp_path / "alertmanager", bridge.url, token) as alertmanager,
    ):
        fire(alertmanager, "ErrorsHigh", "critical")
        eventually(lambda: pages(sandbox))
        bridge.kill_everything()
        empty = tmp_path / "second"
        empty.mkdir()
        bridge.folder = empty
        bridge.start()
        checks = dedup_checks(alertmanager)
        eventually(lambda: dedup_checks(alertmanager) >= checks + 2)
        assert bridge.incidents() == []
        shorten_repeat_interval(tmp_path / "alertmanager" / "alertmanager.yml", alertmanager)
        eventually(lambda: len(bridge.incidents()) == 1)
        eventually(lambda: settled(bridge.url))
    assert [page["pages"] for page in pages(sandbox)] == [1]


def shorten_repeat_interval(config: Path, alertmanager: str) -> None:
    text = config.read_text()
    assert "repeat_interval: 1h" in text
    config.write_text(text.replace("repeat_interval: 1h", "repeat_interval: 1s"))
    requests.post(f"{alertmanager}/-/reload", timeout=60).raise_for_status()


def test_the_pages_of_alertmanager_and_of_the_bridge_are_one_incident(
    tmp_path: Path, sandbox: RunningSandbox, token: str
) -> None:
    (route,) = re.findall(r"```yaml\n( +- matchers: \['severity=\"critical\"'\].*?)```", PAGE, re.DOTALL)
    with (
        running(tmp_path / "bridge", sandbox, token) as bridge,
        running_alertmanager(tmp_path / "alertmanager", bridge.url, token) as alertmanager,
    ):
        config = tmp_path / "alertmanager" / "alertmanager.yml"
        text = config.read_text().replace("  routes:\n", f"  routes:\n{route}", 1)
        key = bridge.environment["PAGERDUTY_ROUTING_KEY"]
        own = f"{{url: {sandbox.http_url}/v2/enqueue, routing_key: {key}}}"
        config.write_text(f"{text}  - name: direct\n    pagerduty_configs: [{own}]\n")
        requests.post(f"{alertmanager}/-/reload", timeout=60).raise_for_status()
        fire(alertmanager, "ErrorsHigh", "critical")
        eventually(lambda: len(sandbox.state["pagerduty"]["events"]) >= 2)
        clients = {event.get("client") for event in sandbox.state["pagerduty"]["events"]}
        assert clients == {"incident-bridge", "Alertmanager"}
    assert [page["pages"] for page in pages(sandbox)] == [1]
