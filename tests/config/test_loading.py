"""A good file becomes Settings: defaults, secrets that stay hidden, warnings, the default routes.yaml."""

import hashlib
import json
import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.app.settings import json_schema, load, load_text
from bridge.channels.email.settings import EmailSettings
from bridge.channels.pagerduty.settings import PagerDutySettings
from bridge.channels.slack.settings import SlackSettings
from bridge.config import Rate, Settings, secret_values
from bridge.core.incidents.state_changes import Flapping
from bridge.core.routing.tree import Escalation, route_alert
from bridge.core.storms.detection import StormLimits

ROOT = Path(__file__).parents[2]
ENVIRON = {
    "PAGERDUTY_ROUTING_KEY": "pd-secret",
    "SLACK_BOT_TOKEN": "xoxb-secret",
    "ALERTMANAGER_TOKEN": "am-secret",
}
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SMALL = """
channels:
  slack-ml: {type: slack, token: "${SLACK_BOT_TOKEN}", channel: C012ABCDEF}
  pagerduty-ml: {type: pagerduty, routing_key: "${PAGERDUTY_ROUTING_KEY}"}
  email-ml: {type: email, smarthost: "smtp.example.org:587", from: B <b@mail.example.org>, to: [ml@x.org]}
route:
  notify: [slack-ml, pagerduty-ml, email-ml]
"""


@pytest.fixture
def small() -> Settings:
    return load_text(SMALL, ENVIRON)


def channels_of(settings: Settings, **labels: str) -> list[str]:
    return [c for match in route_alert(settings.route, labels, NOW) for c in match.channels]


def test_the_default_file_routes_by_severity() -> None:
    settings = load(ROOT / "routes.yaml", ENVIRON)
    assert channels_of(settings, severity="critical") == ["pagerduty-ml"]
    assert channels_of(settings, severity="warning") == ["email-ml"]
    assert channels_of(settings, severity="info") == ["slack-ml"]
    assert channels_of(settings) == ["slack-ml"]


def test_the_default_file_uses_the_sandbox() -> None:
    settings = load(ROOT / "routes.yaml", ENVIRON)
    pagerduty, slack, email = settings.channels.values()
    assert isinstance(pagerduty, PagerDutySettings)
    assert isinstance(slack, SlackSettings)
    assert isinstance(email, EmailSettings)
    assert pagerduty.base_url == "http://127.0.0.1:9911"
    assert slack.base_url == "http://127.0.0.1:9911/api/"
    assert (*email.smarthost, email.tls) == ("127.0.0.1", 2525, "none")
    assert [source.url for source in settings.sources] == ["http://127.0.0.1:9093"]
    assert settings.external_url == "http://127.0.0.1:9119"


def test_the_environment_changes_the_default_file() -> None:
    elsewhere = {
        "SMTP_SMARTHOST": "smtp.example.org:465",
        "SMTP_TLS": "implicit",
        "SLACK_BASE_URL": "https://x/api",
    }
    settings = load(ROOT / "routes.yaml", {**ENVIRON, **elsewhere})
    email, slack = settings.channels["email-ml"], settings.channels["slack-ml"]
    assert isinstance(email, EmailSettings)
    assert isinstance(slack, SlackSettings)
    assert (
        *email.smarthost,
        email.tls,
        slack.base_url,
    ) == ("smtp.example.org", 465, "implicit", "https://x/api/")


def test_channels_have_defaults(small: Settings) -> None:
    second = timedelta(seconds=1)
    pagerduty, slack, email = (small.channels[name] for name in ("pagerduty-ml", "slack-ml", "email-ml"))
    assert isinstance(pagerduty, PagerDutySettings)
    assert isinstance(slack, SlackSettings)
    assert isinstance(email, EmailSettings)
    assert (
        pagerduty.base_url,
        pagerduty.rate,
        pagerduty.concurrency,
        pagerduty.timeout,
        pagerduty.send_resolved,
    ) == ("https://events.pagerduty.com", Rate(120, 60 * second), 8, 10 * second, True)
    assert (
        slack.base_url,
        slack.rate,
        slack.concurrency,
        slack.timeout,
        slack.mention,
    ) == ("https://slack.com/api/", Rate(1, second), 4, 10 * second, None)
    assert (
        email.tls,
        email.id_domain,
        email.rate,
        email.concurrency,
        email.timeout,
    ) == ("starttls", "mail.example.org", Rate(10, second), 4, 150 * second)


def test_other_settings_have_defaults(small: Settings) -> None:
    assert small.sources == ()
    minute, flapping = timedelta(minutes=1), Flapping(4, timedelta(hours=1), timedelta(minutes=10))
    assert (
        small.incidents.reopen_within,
        small.incidents.late_within,
        small.incidents.page_again,
        small.incidents.acknowledge_for,
        small.incidents.flapping,
    ) == (15 * minute, minute, True, 720 * minute, flapping)
    assert load_text(SMALL + "incidents: {flapping: {turns: 0}}", ENVIRON).incidents.flapping is None
    assert small.route.fallback_after == timedelta(minutes=5)
    assert (small.incidents.severity_label, small.incidents.severity_aliases) == ("severity", {"page": "critical"})
    assert (
        small.limits.body,
        small.limits.overdue,
        small.limits.room,
    ) == (32 * 2**20, timedelta(minutes=5), 40 * 2**20)
    assert (
        small.retention,
        small.external_url,
        small.templates,
        small.warnings,
    ) == (timedelta(days=90), None, None, ())


def test_the_limit_of_all_bodies_grows_with_the_largest_body(small: Settings) -> None:
    assert load_text(SMALL + "limits: {body: 100MiB}", ENVIRON).limits.room == 125 * 2**20
    assert load_text(SMALL + "limits: {buffered: 64MiB}", ENVIRON).limits.room == 64 * 2**20


def test_trusted_proxies_may_be_addresses_and_ranges() -> None:
    text = SMALL + 'web: {trusted_proxies: [127.0.0.1, "::1", 10.0.0.0/8]}'
    assert list(map(str, load_text(text, ENVIRON).web.trusted_proxies)) == ["127.0.0.1/32", "::1/128", "10.0.0.0/8"]


def test_the_digest_depends_on_the_text_and_not_on_the_environment(small: Settings) -> None:
    other = load_text(SMALL, {**ENVIRON, "SLACK_BOT_TOKEN": "other"})
    assert hashlib.sha256(SMALL.encode()).hexdigest() == small.digest == other.digest
    assert small.digest != load_text(SMALL + "# more\n", ENVIRON).digest


def test_secrets_are_known_to_the_log_filter_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    settings = load(ROOT / "routes.yaml", ENVIRON)
    assert secret_values(settings) == frozenset(ENVIRON.values())
    logging.getLogger("test").warning("%s %r", settings, settings)
    shown = f"{settings} {settings!r} {settings.limits.model_dump()} {caplog.text}"
    for secret in ENVIRON.values():
        assert secret not in shown


def test_secrets_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("pd-from-file\n")
    (tmp_path / "token").write_text("xoxb-from-file")
    (tmp_path / "password").write_text("mail-from-file\n")
    (tmp_path / "routes.yaml").write_text(
        SMALL.replace('routing_key: "${PAGERDUTY_ROUTING_KEY}"', "routing_key_file: key")
        .replace('token: "${SLACK_BOT_TOKEN}"', f"token_file: {tmp_path}/token")
        .replace("type: email", "type: email, username: u, password_file: password")
    )
    settings = load(tmp_path / "routes.yaml", {})
    assert secret_values(settings) == {"pd-from-file", "xoxb-from-file", "mail-from-file"}
    pagerduty = settings.channels["pagerduty-ml"]
    assert isinstance(pagerduty, PagerDutySettings)
    assert pagerduty.routing_key.get_secret_value() == "pd-from-file"


def test_every_channel_with_a_rate_has_storm_limits() -> None:
    text = """
storm: {patience: 2m, at_least: 50, calm: 3m, update_every: 10s}
external_url: https://bridge.example.org/
""" + SMALL.replace("type: slack,", "type: slack, rate: unlimited,").replace(
        "type: email,", "type: email, rate: 60/m, storm: {patience: 10m, at_least: 5},"
    )
    storms = load_text(text, ENVIRON).storms
    assert set(storms) == {"pagerduty-ml", "email-ml"}
    minute, seconds = timedelta(minutes=1), timedelta(seconds=10)
    url = "https://bridge.example.org/?channel=email-ml&held=storm"
    assert storms["email-ml"] == StormLimits(1.0, 10 * minute, 5, 3 * minute, seconds, url)
    assert (storms["pagerduty-ml"].per_second, storms["pagerduty-ml"].begins_at) == (2.0, 241)


def test_storms_can_be_switched_off_and_on_for_one_channel() -> None:
    off = "storm: {enabled: false}\n"
    assert dict(load_text(off + SMALL, ENVIRON).storms) == {}
    one = SMALL.replace("type: email,", "type: email, storm: {enabled: true},")
    assert list(load_text(off + one, ENVIRON).storms) == ["email-ml"]
    without = load_text(SMALL.replace("type: email,", "type: email, storm: {enabled: false},"), ENVIRON)
    assert set(without.storms) == {"pagerduty-ml", "slack-ml"}
    assert without.storms["slack-ml"] == StormLimits(1.0)


def test_sources_are_loaded() -> None:
    text = """
sources:
  - {name: prod, url: "http://am:9093/", tokens: ["${A}", "${B}"]}
  - {name: old, type: grafana, basic_auth: {username: g, password: "${B}"}, dedup_key: source_and_group}
"""
    prod, old = load_text(text + SMALL, {**ENVIRON, "A": "first", "B": "second"}).sources
    assert (prod.type, prod.url, prod.dedup_key) == ("alertmanager", "http://am:9093", "group")
    assert [token.get_secret_value() for token in prod.tokens] == ["first", "second"]
    assert old.basic_auth is not None
    assert (old.basic_auth.username, old.basic_auth.password.get_secret_value()) == ("g", "second")


def test_the_secret_of_a_signature_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    text = """
sources:
  - {name: g, type: grafana, hmac_secret: "${S}", hmac_timestamp_header: X-Time, hmac_max_age: 30s}
  - {name: h, type: grafana, hmac_secret_file: signing}
"""
    (tmp_path / "signing").write_text("from-a-file\n")
    (tmp_path / "routes.yaml").write_text(text + SMALL)
    settings = load(tmp_path / "routes.yaml", {**ENVIRON, "S": "from-outside"})
    first, second = settings.sources
    assert (first.hmac_timestamp_header, first.hmac_max_age) == ("X-Time", timedelta(seconds=30))
    assert (second.hmac_timestamp_header, second.hmac_max_age) == (None, timedelta(minutes=5))
    assert {"from-outside", "from-a-file"} <= secret_values(settings)


def test_the_routing_tree_is_complete() -> None:
    text = (
        SMALL
        + """
  routes:
    - matchers: ['{severity="critical", team=~"ml|data"}', 'env!="test"']
      notify: []
      continue: true
      fallback: [email-ml]
      fallback_after: 2m
      escalate: [{after: 1h30m, notify: [slack-ml]}]
      active_time_intervals: [office]
      routes: [{matchers: [a=b]}]
time_intervals:
  - name: office
    time_intervals:
      - {weekdays: ['monday:friday'], times: [{start_time: 09:00, end_time: 17:00}], location: Europe/Berlin}
      - {days_of_month: [1, -1], months: [12, 'january:march'], years: [2026]}
"""
    )
    (route,) = load_text(text, ENVIRON).route.routes
    assert str(route) == 'route.routes[0] {severity="critical", team=~"ml|data", env!="test"}'
    assert (route.notify, route.continue_, route.fallback) == ((), True, ("email-ml",))
    assert route.fallback_after == timedelta(minutes=2)
    assert route.escalate == (Escalation(timedelta(minutes=90), ("slack-ml",)),)
    assert [named.name for named in route.active] == ["office"]
    assert route.active[0].contains(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))
    assert not route.active[0].contains(datetime(2026, 11, 23, 16, 0, tzinfo=UTC))
    assert route.active[0].contains(datetime(2026, 12, 31, 23, 0, tzinfo=UTC))
    assert (route.routes[0].path, route.routes[0].notify) == ("route.routes[0].routes[0]", None)
    assert 'matchers: [\'{severity="critical"' in text.splitlines()[route.line - 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(SMALL.replace("-ml, email-ml]", "-ml]"), ["5: channels.email-ml: no route sends"], id="unused"),
        pytest.param(
            SMALL + "sources: [{name: a}, {name: b}]\n",
            ["8: sources[1]: 2 Alertmanagers share pagerduty-ml"],
            id="two sources, one dedup_key",
        ),
        pytest.param(
            SMALL.replace("C012ABCDEF", '"#ml"'),
            ["3: channels.slack-ml.channel: a channel by name"],
            id="a Slack channel by name",
        ),
        pytest.param(
            SMALL + "sources: [{name: a, type: grafana, tokens: []}, {name: b, type: cloud_monitoring}]\n",
            ["8: sources[1]: without a credential only this machine may send, and Google"],
            id="Google without a credential",
        ),
        pytest.param(SMALL + "sources: [{name: a}, {name: b, dedup_key: source_and_group}]\n", [], id="kept apart"),
        pytest.param(
            SMALL + "external_url: https://bridge.example.org\n",
            [
                "8: external_url: others reach the bridge at bridge.example.org, and no login is asked for",
                "8: external_url: others reach the bridge at bridge.example.org, and no source has a credential",
            ],
            id="reachable for others without a login",
        ),
        pytest.param(SMALL + "external_url: http://127.0.0.1:9119\n", [], id="only this machine reaches it"),
    ],
)
def test_a_questionable_setting_is_a_warning(text: str, expected: list[str]) -> None:
    warnings = load_text(text, ENVIRON).warnings
    assert len(expected) == len(warnings)
    for start, warning in zip(expected, warnings, strict=True):
        assert f"{warning.line}: {warning}".startswith(start)


def test_unencrypted_mail_needs_loopback_or_permission() -> None:
    for extra, host in (("", "localhost"), ("", "[::1]"), (", allow_plaintext: true", "mail")):
        text = SMALL.replace('smarthost: "smtp.example.org:587"', f'smarthost: "{host}:25", tls: none{extra}')
        email = load_text(text, ENVIRON).channels["email-ml"]
        assert isinstance(email, EmailSettings)
        assert email.tls == "none"


def test_the_settings_are_frozen(small: Settings) -> None:
    with pytest.raises(ValidationError):
        small.digest = ""
    with pytest.raises(TypeError):
        small.channels["x"] = None  # type: ignore[index]  # what must not be possible


def test_the_environment_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "BRIDGE_EXTERNAL_URL", "https://elsewhere.example.org")
    assert load(ROOT / "routes.yaml", ENVIRON).external_url == "http://127.0.0.1:9119"


def test_the_schema_is_json_and_has_the_keys_of_the_file() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert {"sources", "channels", "route", "time_intervals", "retention"} <= set(schema["properties"])
    assert {"continue", "matchers", "notify", "escalate"} <= set(schema["$defs"]["RouteNode"]["properties"])
