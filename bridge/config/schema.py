"""The shape of routes.yaml: keys, types, defaults. What they mean together is in checks.py.

Law: an unknown key is a fault, and every fault is found in one go.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema

from bridge.config.values import (
    Rate,
    check_address,
    check_mention,
    check_password_hash_text,
    check_url,
    parse_duration,
    parse_host_port,
    parse_rate,
    parse_size,
)
from bridge.core.facts import Unit
from bridge.core.matchers import parse_matchers
from bridge.core.questions import check_expression
from bridge.core.time_intervals import (
    Range,
    parse_days_of_month,
    parse_months,
    parse_time_range,
    parse_weekdays,
    parse_years,
    zone,
)


def _text(example: str, what: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": what, "examples": [example]})


def _checked(check: Any) -> AfterValidator:
    """Check the text, keep the text."""

    def keep(text: str) -> str:
        check(text)
        return text

    return AfterValidator(keep)


def _parsed_by(parse: Callable[[str], Range]) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(str(value)))


def _range_text(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "integer"], "examples": [example]})


Duration = Annotated[timedelta, BeforeValidator(parse_duration), _text("10m", "a duration: 1.5s, 10m, 1h30m, 90d")]
Size = Annotated[int, BeforeValidator(parse_size), _text("8MiB", "a size in bytes: 8MiB, 500kB")]
Pace = Annotated[Rate | None, BeforeValidator(parse_rate), _text("120/m", "messages in a time: 1/s, 1000/h, unlimited")]
Url = Annotated[str, AfterValidator(check_url), _text("https://example.org", "an http or https URL")]
Address = Annotated[str, AfterValidator(check_address), _text("ml@example.org", "a mail address")]
PromQL = Annotated[str, Field(min_length=1, max_length=5000), _checked(check_expression), _text("up", "PromQL")]
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=200)]
MatcherText = Annotated[str, _checked(parse_matchers), _text('severity="critical"', "matchers as in Alertmanager")]
Line = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\r\n\x00]*$")]
Weekdays = Annotated[Range, _parsed_by(parse_weekdays), _range_text("monday:friday")]
DaysOfMonth = Annotated[Range, _parsed_by(parse_days_of_month), _range_text("-3:-1")]
Months = Annotated[Range, _parsed_by(parse_months), _range_text("january:march")]
Years = Annotated[Range, _parsed_by(parse_years), _range_text("2026:2027")]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class BasicAuth(Section):
    username: Line
    password: SecretStr | None = None
    password_file: Line | None = None


class Source(Section):
    """Who may send alerts in."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=63)]
    type: Literal["alertmanager", "grafana", "cloud_monitoring"] = "alertmanager"
    url: Url | None = None
    tokens: tuple[SecretStr, ...] = ()
    basic_auth: BasicAuth | None = None
    hmac_secret: SecretStr | None = None
    hmac_secret_file: Line | None = None
    hmac_timestamp_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=200)] | None = None
    hmac_max_age: Duration = timedelta(minutes=5)
    dedup_key: Literal["group", "source_and_group"] = "group"


class Channel(Section):
    """What every channel has."""

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
    smarthost: Annotated[str, _checked(parse_host_port), _text("smtp.example.org:587", "host:port")]
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
    location: Annotated[str, _checked(zone), _text("Europe/Berlin", "an IANA time zone")] = "UTC"


class TimeIntervalEntry(Section):
    name: Line
    time_intervals: Annotated[tuple[Interval, ...], Field(min_length=1)]


class Incidents(Section):
    reopen_within: Duration = timedelta(minutes=15)
    late_within: Duration = timedelta(minutes=1)
    page_again: bool = True
    acknowledge_for: Duration = timedelta(hours=12)
    fallback_after: Duration = timedelta(minutes=5)
    severity_label: Line = "severity"
    severity_aliases: dict[str, Literal["critical", "warning", "info", "none", "unknown"]] = {"page": "critical"}


class Web(Section):
    users: dict[str, Annotated[str, AfterValidator(check_password_hash_text)]] = {}


class Limits(Section):
    body: Size = 8 * 2**20
    overdue: Duration = timedelta(minutes=5)


class PrometheusServer(Section):
    """Prometheus, or what speaks its API: Thanos, Mimir, Google's managed service."""

    url: Url
    name: Line = "Prometheus"
    headers: dict[Line, Line] = {}
    token: SecretStr | None = None
    token_file: Line | None = None


class QuestionEntry(Section):
    """One thing to ask about an incident. The order of the questions is their importance."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
    title: Line
    unit: Unit
    expr: PromQL
    by: LabelName | None = None
    usual: PromQL | None = None
    ago: tuple[Duration, ...] = ()
    bad_above: float | None = None
    bad_below: float | None = None
    bad_times_usual: Annotated[float, Field(gt=0)] | None = None
    matchers: tuple[MatcherText, ...] = ()
    role: Literal[
        "errors_by_version", "errors_by_pod", "pods_by_version", "traffic", "saturation", "drift", "peak", ""
    ] = ""


class ChangeRuleEntry(Section):
    """Which alerts tell of a change, and where they name its version and service."""

    matchers: Annotated[tuple[MatcherText, ...], Field(min_length=1)]
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]
    version_label: LabelName = "version"
    service_label: LabelName | None = None


class DistributionEntry(Section):
    """A histogram that is drawn against what it is compared with."""

    title: Line
    unit: Unit
    now: PromQL
    baseline: PromQL
    baseline_bound: LabelName = "le"
    now_name: Line = "now"
    baseline_name: Line = "training"
    matchers: tuple[MatcherText, ...] = ()


class Context(Section):
    """What is asked about an incident before it is told; never for longer than the budget."""

    prometheus: PrometheusServer
    budget: Duration = timedelta(seconds=1.5)
    query_timeout: Duration = timedelta(seconds=1)
    shared_for: Duration = timedelta(seconds=5)
    window: Duration = timedelta(hours=2)
    labels: tuple[LabelName, ...] = ("namespace", "job")
    questions: tuple[QuestionEntry, ...] = ()
    changes: tuple[ChangeRuleEntry, ...] | None = None
    pictures: bool = True
    distributions: tuple[DistributionEntry, ...] = ()


class Heartbeat(Section):
    """Firing alerts of which all matchers hold must come at least so often."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=50)]
    matchers: Annotated[tuple[MatcherText, ...], Field(min_length=1)]
    every: Duration
    severity: Literal["critical", "warning", "info"] = "critical"


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
    templates: Line | None = None
    context: Context | None = None
    heartbeats: tuple[Heartbeat, ...] = ()
    storm: dict[str, Any] | None = None
