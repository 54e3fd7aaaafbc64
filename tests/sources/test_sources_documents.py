"""The examples of docs/sources.md are accepted as they stand there."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from bridge.app.settings import load_text
from bridge.sources import cloud_monitoring

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text()
ENVIRON = {"GRAFANA_WEBHOOK_SECRET": "s", "GOOGLE_WEBHOOK_TOKEN": "t", "SLACK": "xoxb-1"}
REST = """
channels: {slack-ml: {type: slack, token: "${SLACK}", channel: C012ABCDEF}}
route: {notify: [slack-ml]}
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def only(pattern: str, text: str) -> str:
    """What the group of the pattern matched; fails without a match."""
    found = re.search(pattern, text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("number", "kind"), [(0, "grafana"), (1, "cloud_monitoring")])
def test_each_source_is_configured_without_fault_or_warning(number: int, kind: str) -> None:
    examples = [block for block in blocks("yaml") if block.startswith("# routes.yaml")]
    settings = load_text(examples[number] + REST, ENVIRON)
    assert ([source.type for source in settings.sources], settings.warnings) == ([kind], ())


def test_grafana_and_the_bridge_use_the_same_name_for_the_time_and_the_source() -> None:
    bridge, grafana = (yaml.safe_load(block) for block in blocks("yaml")[:2])
    (source,), (point,) = bridge["sources"], grafana["contactPoints"]
    settings = point["receivers"][0]["settings"]
    assert source["hmac_timestamp_header"] == settings["hmacConfig"]["timestampHeader"]
    assert settings["url"].endswith(f"/webhook/grafana/{source['name']}")
    assert f'-H "{source["hmac_timestamp_header"]}: ' in blocks("sh")[0]
    assert grafana["policies"][0]["receiver"] == point["name"]


def test_both_notification_channels_of_google_are_valid_json() -> None:
    with_token = json.loads(only(r"<<END\n(.*?)\nEND", blocks("sh")[1]))
    with_password = json.loads(blocks("json")[0])
    assert "?auth_token=" in with_token["labels"]["url"]
    assert [with_token["type"], with_password["type"]] == ["webhook_tokenauth", "webhook_basicauth"]


def test_the_example_body_opens_a_warning() -> None:
    body = only(r"-d '(.*?)'", blocks("sh")[2])
    (alert,) = cloud_monitoring.parse(body.encode(), "gcp", datetime.now(UTC)).alerts
    assert (alert.labels["alertname"], alert.labels["severity"]) == ("Trying it out", "warning")
