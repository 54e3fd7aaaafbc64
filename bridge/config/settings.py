"""What the rest of the bridge sees of routes.yaml: frozen, typed, complete, secrets hidden.

Invariant: repr() and str() of anything here never show a secret; secret_values() lists them, for log redaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from bridge.config.faults import Fault
from bridge.config.values import Network, Rate
from bridge.core.changes import ChangeRule
from bridge.core.context.questions import DistributionQuestion, Question
from bridge.core.heartbeats import Heartbeat
from bridge.core.incidents.state_changes import Flapping
from bridge.core.routing.tree import Route
from bridge.core.storms.detection import StormLimits


@dataclass(frozen=True, slots=True)
class PagerDutySettings:
    name: str
    routing_key: SecretStr
    base_url: str
    rate: Rate | None  #: None is unlimited
    concurrency: int
    timeout: timedelta
    send_resolved: bool
    change_events: bool = True  #: tell it of deployments, too
    type: Literal["pagerduty"] = "pagerduty"


@dataclass(frozen=True, slots=True)
class SlackSettings:
    name: str
    token: SecretStr
    channel: str
    base_url: str  #: always ends with a slash
    rate: Rate | None
    concurrency: int
    timeout: timedelta
    send_resolved: bool
    mention: str | None
    type: Literal["slack"] = "slack"


@dataclass(frozen=True, slots=True)
class EmailSettings:
    name: str
    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"]
    ca_file: Path | None
    username: str | None
    password: SecretStr | None
    from_: str
    to: tuple[str, ...]
    hello: str | None
    domain: str  #: of the Message-ID
    rate: Rate | None
    concurrency: int
    timeout: timedelta
    send_resolved: bool
    type: Literal["email"] = "email"


ChannelSettings = PagerDutySettings | SlackSettings | EmailSettings


@dataclass(frozen=True, slots=True)
class BasicAuthSettings:
    username: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class ReconcileSettings:
    every: timedelta
    after: timedelta  #: an alert must be unknown for so long before it is ended
    settled: timedelta  #: so long after its start an Alertmanager knows every alert again
    timeout: timedelta
    token: SecretStr | None
    token_file: Path | None  #: read anew for each look
    basic_auth: BasicAuthSettings | None


@dataclass(frozen=True, slots=True)
class SourceSettings:
    name: str
    type: Literal["alertmanager", "grafana", "cloud_monitoring"]
    url: str | None
    tokens: tuple[SecretStr, ...]
    basic_auth: BasicAuthSettings | None
    dedup_key: Literal["group", "source_and_group"]
    urls: tuple[str, ...] = ()  #: of all its Alertmanagers
    alertmanager_ui: str | None = None  #: its pages, without a slash at the end; None: it has none
    reconcile: ReconcileSettings | None = None  #: None: they are not asked
    hmac_secret: SecretStr | None = None  #: what Grafana signs its bodies with
    hmac_timestamp_header: str | None = None  #: when given, the time in it is signed too, and checked
    hmac_max_age: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class IncidentSettings:
    reopen_within: timedelta
    late_within: timedelta
    page_again: bool
    acknowledge_for: timedelta | None  #: None: until the incident's end
    flapping: Flapping | None  #: None: no end is ever held


@dataclass(frozen=True, slots=True)
class SeveritySettings:
    """For canonical_labels: which label carries the severity, and other words for the bridge's own."""

    label: str
    aliases: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WebSettings:
    users: Mapping[str, SecretStr]  #: name -> werkzeug password hash
    trusted_proxies: tuple[Network, ...] = ()  #: whose Forwarded and X-Forwarded-* headers count


@dataclass(frozen=True, slots=True)
class LimitSettings:
    body: int  #: bytes
    overdue: timedelta
    buffered: int  #: bytes of all bodies together that are being received or worked on


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Before the environment has had its say."""

    level: str
    format: str


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    url: str
    name: str
    headers: Mapping[str, str]
    token: SecretStr | None
    token_file: Path | None  #: read anew for each query


@dataclass(frozen=True, slots=True)
class ContextSettings:
    prometheus: PrometheusSettings
    budget: timedelta
    query_timeout: timedelta
    shared_for: timedelta
    window: timedelta
    labels: tuple[str, ...]
    questions: tuple[Question, ...]
    changes: tuple[ChangeRule, ...]  #: which alerts tell of changes
    pictures: bool
    distributions: tuple[DistributionQuestion, ...]  #: drawn beside the alert's own expression


@dataclass(frozen=True, slots=True)
class PingSettings:
    url: SecretStr  #: it carries a key
    every: timedelta
    timeout: timedelta
    tell_failures: bool  #: call URL/fail, too


@dataclass(frozen=True, slots=True)
class Settings:
    channels: Mapping[str, ChannelSettings]
    sources: tuple[SourceSettings, ...]  #: when empty, only loopback may send in
    route: Route
    incidents: IncidentSettings
    severities: SeveritySettings
    retention: timedelta
    external_url: str | None  #: without a slash at the end
    runbook_base_url: str | None  #: None: the bridge's own pages
    dashboard_base_url: str | None  #: None: there are none
    web: WebSettings
    limits: LimitSettings
    log: LogSettings
    templates: Path | None
    context: ContextSettings | None
    heartbeats: tuple[Heartbeat, ...]
    ping: PingSettings | None
    storms: Mapping[str, StormLimits]  #: by channel; one that is not in it never storms
    warnings: tuple[Fault, ...]
    digest: str  #: SHA-256 of the file's text, whatever the environment holds


def secret_values(settings: object) -> frozenset[str]:
    """Every secret in the settings, for a log filter that must never let one pass."""
    return frozenset(value for value in _secrets(settings) if value)


def _secrets(thing: object) -> Iterator[str]:
    if isinstance(thing, SecretStr):
        yield thing.get_secret_value()
    elif isinstance(thing, Route | Question | Heartbeat | ChangeRule | DistributionQuestion):
        return
    elif is_dataclass(thing):
        for each in fields(thing):
            yield from _secrets(getattr(thing, each.name))
    elif isinstance(thing, Mapping):
        for value in thing.values():
            yield from _secrets(value)
    elif isinstance(thing, tuple):
        for value in thing:
            yield from _secrets(value)
