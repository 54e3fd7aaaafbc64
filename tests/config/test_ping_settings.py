"""`ping` in routes.yaml: a secret URL, which no fault and no setting shows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bridge.app.settings import load, load_text
from bridge.app.wiring import ping_target
from bridge.config import ConfigurationFaults, Settings, secret_values

SMALL = """
channels: {slack-ml: {type: slack, token: "${SLACK}", channel: C012ABCDEF}}
route: {notify: [slack-ml]}
"""
URL = "https://hc-ping.com/0000-s3cret"


def loaded(ping: str, url: str = URL) -> Settings:
    return load_text(SMALL + ping, {"SLACK": "xoxb", "HEALTHCHECKS_URL": url})


def test_the_address_is_a_secret_and_the_rest_has_defaults() -> None:
    settings = loaded('ping: {url: "${HEALTHCHECKS_URL}"}')
    assert settings.ping is not None
    assert (
        settings.ping.url.get_secret_value(),
        settings.ping.every,
        settings.ping.timeout,
        settings.ping.tell_failures,
    ) == (URL, timedelta(minutes=1), timedelta(seconds=10), False)
    assert "s3cret" not in repr(settings) and URL in secret_values(settings)
    target = ping_target(settings)
    assert target is not None
    assert target.redact(f"x {URL}/fail") == "x [redacted]/fail"


def test_the_url_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{URL}\n")
    (tmp_path / "routes.yaml").write_text(SMALL + "ping: {url_file: url, every: 30s, tell_failures: true}\n")
    settings = load(tmp_path / "routes.yaml", {"SLACK": "xoxb"})
    assert settings.ping is not None
    assert (settings.ping.url.get_secret_value(), settings.ping.every) == (URL, timedelta(seconds=30))


def test_without_the_section_there_is_no_ping() -> None:
    assert ping_target(loaded("")) is None


@pytest.mark.parametrize(
    ("ping", "url", "message"),
    [
        (f"ping: {{url: {URL}}}", "", "a secret is written in the file"),
        ("ping: {every: 1m}", "", "is missing"),
        (
            'ping: {url: "${HEALTHCHECKS_URL}"}',
            "hc-ping.com/0000-s3cret",
            "is no usable address; it must start with http",
        ),
        ('ping: {url: "${HEALTHCHECKS_URL}", every: 10ms}', URL, "too often"),
    ],
)
def test_a_faulty_url_is_refused_without_being_shown(ping: str, url: str, message: str) -> None:
    with pytest.raises(ConfigurationFaults) as refused:
        loaded(ping, url)
    assert message in str(refused.value) and "s3cret" not in str(refused.value)
