"""The shape of routes.yaml: keys, types, defaults. What they mean together is in checks.py.

Law: an unknown key is a fault, and every fault is found in one go.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from bridge.config.fields import (
    Address,
    BaseUrl,
    DaysOfMonth,
    Duration,
    Line,
    MatcherText,
    Months,
    Pace,
    Section,
    Size,
    Url,
    Weekdays,
    Years,
    checked,
    described,
)
from bridge.config.schema_context import Context
from bridge.config.values import (
    check_interval,
    check_mention,
    check_password_hash_text,
    check_secret_url,
    check_turns,
    parse_host_port,
    parse_rate,
)
from bridge.core.time_intervals import (
    parse_time_range,
    zone,
)


class BasicAuth(Section):
    username: Line
    password: SecretStr | None = None
    password_file: Line | None = None


class Reconcile(Section):
    """Asking a source's Alertmanagers about what they do not tell by themselves."""

    enabled: bool = True
    every: Annotated[Duration, AfterValidator(check_interval)] = timedelta(minutes=1)
    after: Duration = timedelta(minutes=5)
    settled: Duration = timedelta(minutes=5)
    timeout: Duration = timedelta(seconds=10)
    token: SecretStr | None = None
    token_file: Line | None = None
    basic_auth: BasicAuth | None = None


class Source(Section):
    """Who may send alerts in."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=63)]
    type: Literal["alertmanager", "grafana", "cloud_monitoring"] = "alertmanager"
    url: Url | None = None
    urls: Annotated[tuple[Url, ...], Field(max_length=16)] = ()
    alertmanager_ui: BaseUrl = Field(
        default=None, description="Where its Alertmanager's own pages are; without it, no link leads there."
    )
    reconcile: Reconcile = Reconcile()
    tokens: tuple[SecretStr, ...] = ()
    basic_auth: BasicAuth | None = None
    hmac_secret: SecretStr | None = None
    hmac_secret_file: Line | None = None
    hmac_timestamp_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=200)] | None = None
    hmac_max_age: Duration = timedelta(minutes=5)
    dedup_key: Literal["group", "source_and_group"] = "group"


class Storm(Section):
    """When more waits for a channel than it can carry, and is told in one digest."""

    enabled: bool = True
    patience: Duration = timedelta(minutes=1)
    at_least: Annotated[int, Field(ge=2)] = 20
    calm: Duration = timedelta(minutes=1)
    update_every: Annotated[Duration, AfterValidator(check_interval)] = timedelta(seconds=30)


class ChannelStorm(Section):
    """What is different for one channel."""

    enabled: bool | None = None
    patience: Duration | None = None
    at_least: Annotated[int, Field(ge=2)] | None = None
    calm: Duration | None = None
    update_every: Annotated[Duration, AfterValidator(check_interval)] | None = None


class Channel(Section):
    """What every channel has."""

    storm: ChannelStorm = ChannelStorm()
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    timeout: Duration = timedelta(seconds=10)
    send_resolved: bool = True


class PagerDutyChannel(Channel):
    type: Literal["pagerduty"]
    routing_key: SecretStr | None = None
    routing_key_file: Line | None = None
    base_url: Url = "https://events.pagerduty.com"
    rate: Pace = parse_rate("120/m")
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    change_events: bool = True


class SlackChannel(Channel):
    type: Literal["slack"]
    token: SecretStr | None = None
    token_file: Line | None = None
    channel: Line
    base_url: Url = "https://slack.com/api/"
    rate: Pace = parse_rate("1/s")
    mention: Annotated[str, AfterValidator(check_mention)] | None = None


class EmailChannel(Channel):
    type: Literal["email"]
    smarthost: Annotated[str, checked(parse_host_port), described("smtp.example.org:587", "host:port")]
    tls: Literal["implicit", "starttls", "none"] = "starttls"
    allow_plaintext: bool = False
    ca_file: Line | None = None
    username: Line | None = None
    password: SecretStr | None = None
    password_file: Line | None = None
    from_: Address = Field(alias="from")
    to: Annotated[tuple[Address, ...], Field(min_length=1)]
    hello: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]+$", max_length=255)] | None = None
    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$", max_length=255)] | None = None
    rate: Pace = parse_rate("10/s")
    timeout: Duration = timedelta(seconds=150)


AnyChannel = Annotated[PagerDutyChannel | SlackChannel | EmailChannel, Field(discriminator="type")]


class EscalationStep(Section):
    after: Duration
    notify: Annotated[tuple[str, ...], Field(min_length=1)]


class RouteNode(Section):
    matchers: tuple[MatcherText, ...] = ()
    notify: tuple[str, ...] | None = None
    routes: tuple[RouteNode, ...] = ()
    continue_: bool = Field(default=False, alias="continue")
    fallback: tuple[str, ...] | None = None
    fallback_after: Duration | None = None
    escalate: tuple[EscalationStep, ...] | None = None
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    template: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=63)] | None = None


class Times(Section):
    start_time: str
    end_time: str


def _checked_times(times: Times) -> Times:
    parse_time_range(times.start_time, times.end_time)
    return times


_NotEmpty = Field(default=None, min_length=1)


class Interval(Section):
    times: tuple[Annotated[Times, AfterValidator(_checked_times)], ...] | None = _NotEmpty
    weekdays: tuple[Weekdays, ...] | None = _NotEmpty
    days_of_month: tuple[DaysOfMonth, ...] | None = _NotEmpty
    months: tuple[Months, ...] | None = _NotEmpty
    years: tuple[Years, ...] | None = _NotEmpty
    location: Annotated[str, checked(zone), described("Europe/Berlin", "an IANA time zone")] = "UTC"


class TimeIntervalEntry(Section):
    name: Line
    time_intervals: Annotated[tuple[Interval, ...], Field(min_length=1)]


class Flapping(Section):
    """When the end of an incident is held, for it will not be the last."""

    turns: Annotated[int, AfterValidator(check_turns), Field(le=100)] = 4
    within: Duration = timedelta(hours=1)
    calm: Duration = timedelta(minutes=10)


class Incidents(Section):
    reopen_within: Duration = timedelta(minutes=15)
    late_within: Duration = timedelta(minutes=1)
    page_again: bool = True
    acknowledge_for: Duration = timedelta(hours=12)
    fallback_after: Duration = timedelta(minutes=5)
    flapping: Flapping = Flapping()
    severity_label: Line = "severity"
    severity_aliases: dict[str, Literal["critical", "warning", "info", "none", "unknown"]] = Field(
        default={"page": "critical"}
    )


class Web(Section):
    users: dict[str, Annotated[str, AfterValidator(check_password_hash_text)]] = Field(default={})


class Limits(Section):
    body: Size = 8 * 2**20
    overdue: Duration = timedelta(minutes=5)


class Heartbeat(Section):
    """Firing alerts of which all matchers hold must come at least so often."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=50)]
    matchers: Annotated[tuple[MatcherText, ...], Field(min_length=1)]
    every: Duration
    severity: Literal["critical", "warning", "info"] = "critical"


class Ping(Section):
    """Whom to call outside while all is well. The URL is a secret: whoever knows it can pretend that all is well."""

    url: Annotated[SecretStr, AfterValidator(check_secret_url)] | None = None
    url_file: Line | None = None
    every: Annotated[Duration, AfterValidator(check_interval)] = timedelta(minutes=1)
    timeout: Duration = timedelta(seconds=10)
    tell_failures: bool = False


class RoutesFile(Section):
    """routes.yaml of the incident bridge."""

    sources: tuple[Source, ...] = ()
    channels: dict[str, AnyChannel]
    route: RouteNode
    time_intervals: tuple[TimeIntervalEntry, ...] = ()
    incidents: Incidents = Incidents()
    web: Web = Web()
    limits: Limits = Limits()
    retention: Duration = timedelta(days=90)
    external_url: Url | None = None
    runbook_base_url: BaseUrl = Field(
        default=None,
        description="Stands before a runbook_url that is a path; without it, the bridge's own /runbooks.",
    )
    dashboard_base_url: BaseUrl = Field(
        default=None,
        description="Stands before a dashboard_url that is a path; without it, such a one is no link.",
    )
    templates: Line | None = None
    context: Context | None = None
    heartbeats: tuple[Heartbeat, ...] = ()
    ping: Ping | None = None
    storm: Storm = Storm()
