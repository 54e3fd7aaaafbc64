"""Which Alertmanagers the reconciler queries, how often, and with which credential."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bridge.app.settings import load, load_text
from bridge.app.wiring import reconciled_sources
from bridge.config import ConfigurationFaults, secret_values
from bridge.config.sources import SourceSettings

ENVIRON = {"SLACK": "xoxb-secret", "TOKEN": "t0ken", "PASSWORD": "passw0rd"}
REST = """
channels: {slack-ml: {type: slack, token: "${SLACK}", channel: C012ABCDEF}}
route: {notify: [slack-ml]}
"""


def source(fields: str) -> SourceSettings:
    (found,) = load_text(f"sources: [{{name: prod, {fields}}}]{REST}", ENVIRON).sources
    return found


def faults(fields: str) -> str:
    with pytest.raises(ConfigurationFaults) as raised:
        source(fields)
    return "\n".join(fault.render("routes.yaml") for fault in raised.value.faults)


def test_a_source_with_a_url_is_reconciled_every_minute() -> None:
    found = source('url: "http://am:9093/"')
    assert (found.alertmanagers, found.url) == (("http://am:9093",), "http://am:9093")
    assert found.reconciliation is not None
    five = timedelta(minutes=5)
    assert (
        found.reconcile.every,
        found.reconcile.after,
        found.reconcile.settled,
    ) == (timedelta(minutes=1), five, five)


def test_every_member_of_a_cluster_is_queried_once() -> None:
    found = source("urls: [http://a:9093/, http://b:9093, http://a:9093]")
    assert found.alertmanagers == ("http://a:9093", "http://b:9093")


@pytest.mark.parametrize(
    "fields",
    [
        "url: null",
        "urls: []",
        "url: http://am:9093, reconcile: {enabled: false}",
        "url: http://grafana, type: grafana",
    ],
)
def test_a_source_without_url_of_another_type_or_switched_off_is_not_reconciled(fields: str) -> None:
    assert source(fields).reconciliation is None


def test_the_credential_is_a_secret() -> None:
    settings = load_text(
        'sources: [{name: prod, url: http://am, reconcile: {token: "${TOKEN}"}}, '
        '{name: more, url: http://am, reconcile: {basic_auth: {username: ann, password: "${PASSWORD}"}}}]' + REST,
        ENVIRON,
    )
    assert secret_values(settings) == {"xoxb-secret", "t0ken", "passw0rd"}
    assert "t0ken" not in repr(settings) and "passw0rd" not in repr(reconciled_sources(settings))


def test_the_token_file_is_read_later_but_must_exist(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(f"sources: [{{name: prod, url: http://am, reconcile: {{token_file: am-token}}}}]{REST}")
    with pytest.raises(ConfigurationFaults) as raised:
        load(file, ENVIRON)
    assert "sources[0].reconcile.token_file: there is no file 'am-token'" in str(raised.value.faults[0].render("x"))
    (tmp_path / "am-token").write_text("first")
    (found,) = load(file, ENVIRON).sources
    assert found.reconciliation is not None
    assert found.reconcile.token_file == tmp_path / "am-token"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("url: http://a, urls: [http://b]", "sources[0].urls: there is a url too; keep urls"),
        ("urls: [am:9093]", "sources[0].urls[0]: this is no URL"),
        ("url: http://a, reconcile: {token: hunter2}", "sources[0].reconcile.token: a secret is written in the file"),
        ("url: http://a, reconcile: {basic_auth: {username: a}}", "reconcile.basic_auth.password: is missing"),
        (
            'url: http://a, reconcile: {token: "${TOKEN}", basic_auth: {username: a, password: "${PASSWORD}"}}',
            "sources[0].reconcile.basic_auth: there is a token too",
        ),
        ("url: http://a, reconcile: {every: 0s}", "sources[0].reconcile.every: more than ten times a second"),
    ],
)
def test_a_fault_names_its_place(fields: str, why: str) -> None:
    assert why in faults(fields)
    assert "hunter2" not in faults(fields)


def test_the_worker_gets_all_settings() -> None:
    reconcile = "{every: 10s, after: 2m, settled: 3m, timeout: 4s}"
    text = f"sources: [{{name: prod, urls: [http://a, http://b], reconcile: {reconcile}}}, {{name: none}}]{REST}"
    settings = load_text(text, ENVIRON)
    (source,) = reconciled_sources(settings)
    assert (
        source.name,
        list(source.alertmanagers),
        source.every_seconds,
        source.timeout_seconds,
    ) == ("prod", ["http://a", "http://b"], 10.0, 4.0)
    assert (source.grace.after, source.grace.settled) == (timedelta(minutes=2), timedelta(minutes=3))
