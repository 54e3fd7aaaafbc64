"""The shape of routes.yaml: keys, types, defaults. What they mean together is in checks.py.

Invariant: an unknown key is a fault, and every fault is found in one go.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from bridge.config.fields import (
    Address,
    BaseUrl,
    Duration,
    Line,
    MatcherText,
    Networks,
    Pace,
    Section,
    Size,
    Url,
    checked,
    described,
)
from bridge.config.schema_context import Context
from bridge.config.schema_routes import RouteNode, TimeIntervalEntry
from bridge.config.values import (
    check_interval,
    check_mention,
    check_password_hash_text,
    check_secret_url,
    check_turns,
    parse_host_port,
    parse_rate,
)


class BasicAuth(Section):
    username: Line
    """The name that is sent."""
    password: SecretStr | None = None
    """Its password: ${NAME} of a variable, never the password itself."""
    password_file: Line | None = None
    """Instead: the file that holds the password; the path starts at the folder of routes.yaml."""


class Reconcile(Section):
    """Asking a source's Alertmanagers about what they do not tell by themselves."""

    enabled: bool = True
    """Whether the source's Alertmanagers are asked at all."""
    every: Annotated[Duration, AfterValidator(check_interval)] = timedelta(minutes=1)
    """How often they are asked; at least 100ms."""
    after: Duration = timedelta(minutes=5)
    """An alert is ended when no Alertmanager of the source has had it for so long."""
    settled: Duration = timedelta(minutes=5)
    """An Alertmanager that runs for less ends nothing: it has not been sent every alert again."""
    timeout: Duration = timedelta(seconds=10)
    """How long one may take to answer everything."""
    token: SecretStr | None = None
    """Bearer token for the API: ${NAME} of a variable."""
    token_file: Line | None = None
    """Instead: a file with the token, read anew each time."""
    basic_auth: BasicAuth | None = None
    """Instead of a token: user and password for the API."""


class Source(Section):
    """Who may send alerts in."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=63)]
    """The last part of the webhook's URL: /webhook/alertmanager/NAME."""
    type: Literal["alertmanager", "grafana", "cloud_monitoring"] = "alertmanager"
    """Who sends: alertmanager, grafana or cloud_monitoring."""
    url: Url | None = None
    """The Alertmanager's address, up to and without /api; it is asked about open incidents."""
    urls: Annotated[tuple[Url, ...], Field(max_length=16)] = ()
    """Instead of url: the addresses of all members of a cluster."""
    alertmanager_ui: BaseUrl = None
    """Where its Alertmanager's own pages are; without it, no link leads there."""
    reconcile: Reconcile = Reconcile()
    """How its Alertmanagers are asked about open incidents."""
    tokens: tuple[SecretStr, ...] = ()
    """Bearer tokens that it may send, each ${NAME} of a variable; more than one while you change it."""
    basic_auth: BasicAuth | None = None
    """Instead of tokens, or beside them: the user and password that it may send."""
    hmac_secret: SecretStr | None = None
    """Grafana only: what it signs its bodies with, ${NAME} of a variable; an unsigned body is then refused."""
    hmac_secret_file: Line | None = None
    """Instead: the file that holds it."""
    hmac_timestamp_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=200)] | None = None
    """Grafana only: the header with the signed time, as named in the contact point."""
    hmac_max_age: Duration = timedelta(minutes=5)
    """Grafana only: how far the signed time may be from now, when there is one."""
    dedup_key: Literal["group", "source_and_group"] = "group"
    """group, as Alertmanager's own PagerDuty receiver; source_and_group keeps equal groups of two sources apart."""


class Storm(Section):
    """When more waits for a channel than it can carry, and is told in one digest."""

    enabled: bool = True
    """false: every message by itself, however long that takes."""
    patience: Duration = timedelta(minutes=1)
    """A storm is more waiting messages than the channel's rate carries in so long."""
    at_least: Annotated[int, Field(ge=2)] = 20
    """... and at least so many."""
    calm: Duration = timedelta(minutes=1)
    """It is over when for so long all that waited could have been sent within the patience."""
    update_every: Annotated[Duration, AfterValidator(check_interval)] = timedelta(seconds=30)
    """How often the digest is written anew at most; at least 100ms."""


class ChannelStorm(Section):
    """What is different for one channel."""

    enabled: bool | None = None
    """As in storm, for this channel: false sends every message by itself."""
    patience: Duration | None = None
    """As in storm, for this channel: how much waiting, in time at its rate, is a storm."""
    at_least: Annotated[int, Field(ge=2)] | None = None
    """As in storm, for this channel: how many waiting messages are a storm at least."""
    calm: Duration | None = None
    """As in storm, for this channel: for how long it must be quiet before the storm is over."""
    update_every: Annotated[Duration, AfterValidator(check_interval)] | None = None
    """As in storm, for this channel: how often the digest is written anew at most."""


class Channel(Section):
    """What every channel has."""

    storm: ChannelStorm = ChannelStorm()
    """What is different from the top-level storm for this channel."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    """Sends under way at once."""
    timeout: Duration = timedelta(seconds=10)
    """How long the vendor may take for one call."""
    send_resolved: bool = True
    """Whether the end of an incident is sent."""


class PagerDutyChannel(Channel):
    type: Literal["pagerduty"]
    """pagerduty: the Events API v2."""
    routing_key: SecretStr | None = None
    """The integration's key of 32 characters: ${NAME} of a variable."""
    routing_key_file: Line | None = None
    """Instead: the file that holds the key."""
    base_url: Url = "https://events.pagerduty.com"
    """Where events go; in the EU https://events.eu.pagerduty.com."""
    rate: Pace = parse_rate("120/m")
    """How fast events may go out; PagerDuty takes about 120 a minute and integration."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    """Sends under way at once."""
    change_events: bool = True
    """Whether deployments and other changes are sent as change events."""


class SlackChannel(Channel):
    type: Literal["slack"]
    """slack: the Web API, with a bot token."""
    token: SecretStr | None = None
    """The bot's token (xoxb-...) with chat:write: ${NAME} of a variable."""
    token_file: Line | None = None
    """Instead: the file that holds the token."""
    channel: Line
    """A channel's id (C012ABCDEF), or its name in quotes ("#name")."""
    base_url: Url = "https://slack.com/api/"
    """Where Slack's Web API is."""
    rate: Pace = parse_rate("1/s")
    """How fast messages may go out; Slack takes about one a second and channel."""
    mention: Annotated[str, AfterValidator(check_mention)] | None = None
    """Put into the message of a new critical incident: <!here>, <!channel>, <@U...> or <!subteam^S...>."""


class EmailChannel(Channel):
    type: Literal["email"]
    """email: SMTP."""
    smarthost: Annotated[str, checked(parse_host_port), described("smtp.example.org:587", "host:port")]
    """The mail server, host:port."""
    tls: Literal["implicit", "starttls", "none"] = "starttls"
    """starttls (port 587), implicit (port 465), or none, which only this machine may have."""
    allow_plaintext: bool = False
    """true lets tls: none send to another machine: the network is trusted."""
    ca_file: Line | None = None
    """Certificates to trust instead of the system's."""
    username: Line | None = None
    """The login, with a password."""
    password: SecretStr | None = None
    """The login's password: ${NAME} of a variable."""
    password_file: Line | None = None
    """Instead: the file that holds the password."""
    from_: Address = Field(alias="from")
    """The sender: name@host, or Name <name@host>."""
    to: Annotated[tuple[Address, ...], Field(min_length=1)]
    """The recipients; each is a delivery of its own."""
    hello: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]+$", max_length=255)] | None = None
    """The name that is said in EHLO, instead of this machine's."""
    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$", max_length=255)] | None = None
    """The domain of the Message-ID, instead of the sender's."""
    rate: Pace = parse_rate("10/s")
    """How fast mails may go out."""
    timeout: Duration = timedelta(seconds=150)
    """How long the server may take for one mail."""


AnyChannel = Annotated[PagerDutyChannel | SlackChannel | EmailChannel, Field(discriminator="type")]


class Flapping(Section):
    """When the end of an incident is held, for it will not be the last."""

    turns: Annotated[int, Field(le=100), AfterValidator(check_turns)] = 4
    """An incident that begins and ends so often flaps: its end is deferred; 0 switches it off."""
    within: Duration = timedelta(hours=1)
    """... within this time."""
    calm: Duration = timedelta(minutes=10)
    """It flaps until its state has not changed for so long; then what was deferred is sent."""


class Incidents(Section):
    reopen_within: Duration = timedelta(minutes=15)
    """A group that fires again so soon after its end is the same incident."""
    late_within: Duration = timedelta(minutes=1)
    """For so long after an alert's end, firing with the same start is taken for a straggler."""
    page_again: bool = True
    """Whether a new critical alert in an acknowledged incident opens it again."""
    acknowledge_for: Duration = timedelta(hours=12)
    """After so long an acknowledged incident is open again, and all are reminded; 0: never."""
    fallback_after: Duration = timedelta(minutes=5)
    """How long a channel may fail before the fallback of a route is notified; a route's own wins."""
    flapping: Flapping = Flapping()
    """When the end of an incident is deferred, for it will not be the last."""
    severity_label: Line = "severity"
    """The label that carries the severity."""
    severity_aliases: dict[str, Literal["critical", "warning", "info", "none", "unknown"]] = Field(
        default={"page": "critical"}
    )
    """Other words for critical, warning, info, none and unknown, such as page: critical."""


class Web(Section):
    users: dict[str, Annotated[str, AfterValidator(check_password_hash_text)]] = Field(default={})
    """Who may log in: name, and the hash that `bridge hash-password` makes."""
    trusted_proxies: Annotated[tuple[Networks, ...], Field(max_length=100)] = ()
    """Addresses and ranges whose Forwarded and X-Forwarded-* headers are believed; 127.0.0.1 for an nginx beside it."""


class Log(Section):
    """What is written to stderr, and how; BRIDGE_LOG_LEVEL and BRIDGE_LOG_FORMAT come before it."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less than that is not written."""
    format: Literal["json", "console"] = "json"
    """json: one object a line; console: a line to read."""


class Limits(Section):
    body: Size = 32 * 2**20
    """Larger webhooks are refused with 413."""
    buffered: Size | None = None
    """How much of all bodies may be in memory; the rest is answered 503. By default a quarter above `body`."""
    overdue: Duration = timedelta(minutes=5)
    """A message that waits for longer makes /-/ready fail."""


class Heartbeat(Section):
    """Firing alerts of which all matchers hold must come at least so often."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=50)]
    """How it is named in its incident and metrics."""
    matchers: Annotated[tuple[MatcherText, ...], Field(min_length=1)]
    """Which firing alerts are this heartbeat; they open no incident."""
    every: Duration
    """If it comes less often than this, it is missing."""
    severity: Literal["critical", "warning", "info"] = "critical"
    """Of the incident that opens when it is missing."""


class Ping(Section):
    """Whom to call outside while all is well. The URL is a secret: whoever knows it can pretend that all is well."""

    url: Annotated[SecretStr, AfterValidator(check_secret_url)] | None = None
    """Who is called: ${NAME} of a variable, because who knows it can pretend that all is well."""
    url_file: Line | None = None
    """Instead: the file that holds the URL."""
    every: Annotated[Duration, AfterValidator(check_interval)] = timedelta(minutes=1)
    """How often; at least 100ms."""
    timeout: Duration = timedelta(seconds=10)
    """How long the answer may take."""
    tell_failures: bool = False
    """Whether URL/fail is called once when it turns bad, with the reason, as healthchecks.io understands."""


class RoutesFile(Section):
    """routes.yaml of the incident bridge."""

    sources: tuple[Source, ...] = ()
    """Who may send alerts in; without any, only this machine."""
    channels: dict[str, AnyChannel]
    """Where messages go: name -> channel."""
    route: RouteNode
    """Which channels are notified of what; the root takes what no other route takes."""
    time_intervals: tuple[TimeIntervalEntry, ...] = ()
    """Named times for routes."""
    incidents: Incidents = Incidents()
    """When something is the same incident."""
    web: Web = Web()
    """Logins of the pages."""
    limits: Limits = Limits()
    """Sizes, and how long something may wait."""
    log: Log = Log()
    """What is written to stderr, and how."""
    retention: Duration = timedelta(days=90)
    """Closed incidents are deleted after this."""
    external_url: Url | None = None
    """The bridge's own address, for links in messages."""
    runbook_base_url: BaseUrl = None
    """Stands before a runbook_url that is a path; without it, the bridge's own /runbooks."""
    dashboard_base_url: BaseUrl = None
    """Stands before a dashboard_url that is a path; without it, such a one is no link."""
    templates: Line | None = None
    """A folder whose summary.txt, body.txt and body.html replace the bridge's own."""
    context: Context | None = None
    """What is asked of Prometheus about an incident."""
    heartbeats: tuple[Heartbeat, ...] = ()
    """Alerts that must keep coming."""
    ping: Ping | None = None
    """Who is called outside while all is well."""
    storm: Storm = Storm()
    """When more waits for a channel than it can carry, and is sent as one digest."""
