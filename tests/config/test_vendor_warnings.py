"""URLs that differ from what the bridge calls: a warning that says what to write."""

from __future__ import annotations

import pytest

from bridge.app.settings import load_text
from bridge.config import ConfigurationFaults

BASE = "https://events.pagerduty.com"
ROUTES = """
channels:
  pager: {{type: pagerduty, routing_key: "${{KEY}}"{pagerduty}}}
  chat: {{type: slack, token: "${{KEY}}", channel: C0123456789{slack}}}
  mail: {{type: email, smarthost: "mx.example:587", from: "{sender}", to: [{to}]}}
sources: [{{name: am{alertmanager}}}]
{prometheus}
{ping}
route: {{notify: [pager, chat, mail]}}
"""
ENVIRON = {"KEY": "0123456789abcdef0123456789abcdef", "URL": "https://hidden.example/v2/enqueue"}


def warnings(environ: dict[str, str] | None = None, /, **given: str) -> list[str]:
    usual = {"pagerduty": "", "slack": "", "sender": "a@b.org", "to": "c@d.org", "alertmanager": "", "prometheus": ""}
    text = ROUTES.format(**{**usual, "ping": "", **given})
    return [str(warning) for warning in load_text(text, {**ENVIRON, **(environ or {})}).warnings]


def _url(key: str, url: str) -> dict[str, str]:
    kind, name = key.split(".")
    if kind == "prometheus":
        return {kind: f'context: {{prometheus: {{url: "{url}"}}}}'}
    shown = f'["{url}"]' if name == "urls" else f'"{url}"'
    return {kind: f", {name}: {shown}"}


WRONG = [
    ("pagerduty.base_url", f"{BASE}/v2/enqueue", "ends in /v2/enqueue", BASE),
    ("pagerduty.base_url", f"{BASE}/v2/enqueue/", "ends in /v2/enqueue/", BASE),
    ("pagerduty.base_url", f"{BASE}/v2", "ends in /v2", BASE),
    ("pagerduty.base_url", f"{BASE}/v2/change/enqueue", "ends in /v2/change/enqueue", BASE),
    ("pagerduty.base_url", f"{BASE}/generic/2010-04-15/create_event.json", "ends in /generic/", BASE),
    ("pagerduty.base_url", "http://gateway/pd/v2/enqueue", "ends in /v2/enqueue", "http://gateway/pd"),
    ("pagerduty.base_url", "https://api.pagerduty.com", "api.pagerduty.com takes no events", BASE),
    ("pagerduty.base_url", "https://acme.eu.pagerduty.com", "takes no events", "https://events.eu.pagerduty.com"),
    ("pagerduty.base_url", f"{BASE}?x=1", "has a ? in it", BASE),
    ("slack.base_url", "https://slack.com/api/chat.postMessage", "/chat.postMessage", "https://slack.com/api/"),
    ("slack.base_url", "https://slack.com/api/files.getUploadURLExternal", "/files.", "https://slack.com/api/"),
    ("slack.base_url", "https://slack.com", "has no /api/", "https://slack.com/api/"),
    ("slack.base_url", "https://hooks.slack.com/services/T0/B0/x", "incoming webhook", "https://slack.com/api/"),
    ("prometheus.url", "http://p:9090/api/v1/query", "ends in /api/v1/query", "http://p:9090"),
    ("prometheus.url", "http://p:9090/prom/api/v1", "ends in /api/v1", "http://p:9090/prom"),
    ("prometheus.url", "http://p:9090/graph", "ends in /graph", "http://p:9090"),
    ("prometheus.url", "http://p:9090/#/alerts", "has a # in it", "http://p:9090/"),
    ("alertmanager.url", "http://am:9093/api/v2", "ends in /api/v2", "http://am:9093"),
    ("alertmanager.url", "http://am:9093/am/api/v2/alerts", "ends in /api/v2/alerts", "http://am:9093/am"),
    ("alertmanager.url", "http://am:9093/#/alerts", "has a # in it", "http://am:9093/"),
    ("alertmanager.urls", "http://am:9093/api/v1/alerts", "ends in /api/v1/alerts", "http://am:9093"),
]


@pytest.mark.parametrize(("key", "url", "words", "right"), WRONG, ids=[f"{row[0]} {row[1]}" for row in WRONG])
def test_a_url_with_a_superfluous_part_is_corrected(key: str, url: str, words: str, right: str) -> None:
    (warning,) = warnings(**_url(key, url))
    assert words in warning
    assert f"; write {right}" in warning
    if right.startswith("http") and ", " not in right:
        assert warnings(**_url(key, right)) == [], "the advice is valid itself"


RIGHT = [
    ("pagerduty.base_url", BASE),
    ("pagerduty.base_url", f"{BASE}/"),
    ("pagerduty.base_url", "https://events.eu.pagerduty.com"),
    ("pagerduty.base_url", "http://127.0.0.1:8025"),
    ("pagerduty.base_url", "http://gateway/pagerduty"),
    ("slack.base_url", "https://slack.com/api"),
    ("slack.base_url", "https://slack.com/api/"),
    ("slack.base_url", "http://127.0.0.1:8025/api/"),
    ("prometheus.url", "http://p:9090"),
    ("prometheus.url", "https://mimir/prometheus"),
    ("prometheus.url", "https://monitoring.googleapis.com/v1/projects/p/location/global/prometheus"),
    ("alertmanager.url", "http://am:9093/am/"),
]


@pytest.mark.parametrize(("key", "url"), RIGHT)
def test_a_valid_url_gets_no_warning(key: str, url: str) -> None:
    assert warnings(**_url(key, url)) == []


def test_the_value_of_a_variable_is_not_shown() -> None:
    (warning,) = warnings(pagerduty=', base_url: "${URL}"')
    assert "channels.pager.base_url: ends in /v2/enqueue" in warning
    assert "hidden" not in warning


def test_a_ping_url_that_reports_failures_is_a_warning() -> None:
    (warning,) = warnings({"PING": "https://hc.example/hush/fail?rid=1"}, ping='ping: {url: "${PING}"}')
    assert "ping.url: ends in /fail" in warning
    assert "hush" not in warning


def test_duplicate_and_non_ascii_mail_addresses_are_warnings() -> None:
    found = warnings(to="c@d.org, jörg@d.org, C <C@d.org>", sender="ö@b.org")
    assert len(found) == 3
    assert "to[2]: the same address as to[0]" in found[2]
    assert ["SMTPUTF8" in each for each in found] == [True, True, False]


def test_an_unusable_proxy_is_a_warning() -> None:
    (warning,) = warnings({"HTTPS_PROXY": "socks5://u:hush@p:1", "http_proxy": "p:3128"})
    assert "HTTPS_PROXY names a socks5 proxy" in warning
    assert "hush" not in warning


def test_a_missing_certificate_file_is_a_warning() -> None:
    (warning,) = warnings({"REQUESTS_CA_BUNDLE": "/no/such/file", "SSL_CERT_DIR": "/"})
    assert "REQUESTS_CA_BUNDLE names a file or folder of certificates that is not there" in warning


@pytest.mark.parametrize("wrong", ["5", "[1]", "{a: b}", '"http://[::1"', "null", '"https://x:y"'])
def test_data_of_any_shape_raises_nothing(wrong: str) -> None:
    """The schema reports it."""
    given = {
        "pagerduty": f", base_url: {wrong}", "slack": f", base_url: {wrong}", "to": wrong,
        "ping": f"ping: {{url: {wrong}}}",
        "alertmanager": f", url: {wrong}, urls: {wrong}", "prometheus": f"context: {{prometheus: {wrong}}}",
    }  # fmt: skip
    with pytest.raises(ConfigurationFaults):
        warnings(**given)
