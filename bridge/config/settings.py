"""routes.yaml as frozen models, which are the settings: keys, types and defaults stand here and nowhere else.

Invariant: an unknown key is a fault, and every fault is found in one go. repr() and str() never show a secret;
secret_values() lists them, for log redaction. What the keys mean together is in checks.py.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, BaseModel, Field, SecretStr, create_model

from bridge.config.access import PersonSettings, WebSettings
from bridge.config.channel import ChannelSettings, ChannelTypes
from bridge.config.context import ContextSettings
from bridge.config.faults import Fault
from bridge.config.fields import (
    FROZEN,
    BaseUrl,
    Duration,
    FolderPath,
    Line,
    RootUrl,
    Section,
    Size,
    SomeMatchers,
    Written,
)
from bridge.config.routes import RouteNode, TimeIntervalEntry
from bridge.config.sources import SourceSettings
from bridge.config.values import check_interval, check_secret_url, check_turns
from bridge.core.heartbeats import Heartbeat
from bridge.core.incidents.state_changes import Flapping
from bridge.core.model import Severity
from bridge.core.routing.time_intervals import NamedIntervals
from bridge.core.routing.tree import Route
from bridge.core.storms.detection import StormLimits


class StormSettings(Section):
    """When a channel storms: what waits for it is then sent as one digest."""

    enabled: bool = True
    """false: every message by itself, however long that takes."""
    patience: Duration = timedelta(minutes=1)
    """A storm is more waiting messages than the channel's rate carries in so long."""
    at_least: Annotated[int, Field(ge=2)] = 20
    """... and at least so many."""
    calm: Duration = timedelta(minutes=1)
    """It is over when for so long all that waited could have been sent within the patience."""
    update_every: Annotated[Duration, AfterValidator(check_interval)] = timedelta(seconds=30)
    """How often the digest is updated at most; at least 100ms."""


class FlappingSettings(Section):
    """When an incident flaps: its end is deferred, for it will not be the last."""

    turns: Annotated[int, Field(le=100), AfterValidator(check_turns)] = 4
    """An incident that begins and ends so often flaps: its end is deferred; 0 switches it off."""
    within: Duration = timedelta(hours=1)
    """... within this time."""
    calm: Duration = timedelta(minutes=10)
    """It flaps until its state has not changed for so long; then what was deferred is sent."""


class IncidentSettings(Section):
    reopen_within: Duration = timedelta(minutes=15)
    """A group that fires again so soon after its end is the same incident."""
    late_within: Duration = timedelta(minutes=1)
    """For so long after an alert's end, firing with the same start is taken for a straggler."""
    page_again: bool = True
    """Whether a new critical alert in an acknowledged incident opens it again."""
    acknowledge_for: Annotated[timedelta | None, Written(Duration, lambda time: time or None)] = timedelta(hours=12)
    """After so long an acknowledged incident is open again, and all are reminded; 0: never."""
    fallback_after: Duration = timedelta(minutes=5)
    """How long a channel may fail before the fallback of a route is notified; a route's own wins."""
    flapping: Annotated[
        Flapping | None,
        Written(FlappingSettings, lambda own: Flapping(own.turns, own.within, own.calm) if own.turns else None),
    ] = Flapping()
    """When the end of an incident is deferred, for it will not be the last."""
    severity_label: Line = "severity"
    """The label that carries the severity."""
    severity_aliases: Annotated[Mapping[str, Literal["critical", "warning", "info", "none", "unknown"]], FROZEN] = (
        Field(default={"page": "critical"}, validate_default=True)
    )
    """Other words for critical, warning, info, none and unknown, such as page: critical."""


class LogSettings(Section):
    """What is written to stderr, and how; BRIDGE_LOG_LEVEL and BRIDGE_LOG_FORMAT come before it."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less than that is not written."""
    format: Literal["json", "console"] = "json"
    """json: one object a line; console: a line to read."""


class LimitSettings(Section):
    body: Size = 32 * 2**20
    """Larger webhooks are refused with 413."""
    buffered: Size | None = None
    """How much of all bodies may be in memory; the rest is answered 503. By default a quarter above `body`."""
    overdue: Duration = timedelta(minutes=5)
    """A message that waits for longer makes /-/ready fail."""

    @property
    def room(self) -> int:
        """Bytes of all bodies together that are being received or worked on: the largest fits in, and some others."""
        return self.buffered if self.buffered is not None else max(40 * 2**20, self.body * 5 // 4)


class HeartbeatSettings(Section):
    """Firing alerts of which all matchers hold must come at least so often."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=50)]
    """How it is named in its incident and metrics."""
    matchers: SomeMatchers
    """Which firing alerts are this heartbeat; they open no incident."""
    every: Duration
    """If it comes less often than this, it is missing."""
    severity: Literal["critical", "warning", "info"] = "critical"
    """Of the incident that opens when it is missing."""

    def heartbeat(self) -> Heartbeat:
        return Heartbeat(self.name, self.matchers, self.every, Severity(self.severity))


class PingSettings(Section):
    """The URL to call while all is well. It is a secret: anyone who has it can report that all is well."""

    url: Annotated[SecretStr, AfterValidator(check_secret_url)]
    """What is called: ${NAME} of a variable, since anyone who has it can report that all is well."""
    url_file: Line | None = None
    """Instead: the file that holds the URL."""
    every: Annotated[Duration, AfterValidator(check_interval)] = timedelta(minutes=1)
    """How often; at least 100ms."""
    timeout: Duration = timedelta(seconds=10)
    """How long the answer may take."""
    tell_failures: bool = False
    """Whether URL/fail is called once when it turns bad, with the reason, as healthchecks.io understands."""


class _Keys(Section):
    """What the file and the settings have in common."""

    sources: tuple[SourceSettings, ...] = ()
    """Who may send alerts in; without any, only this machine."""
    channels: Mapping[str, ChannelSettings]
    """Where messages go: name -> channel."""
    time_intervals: tuple[Annotated[NamedIntervals, Written(TimeIntervalEntry, TimeIntervalEntry.named)], ...] = ()
    """Named times for routes."""
    incidents: IncidentSettings = IncidentSettings()
    """When something is the same incident."""
    people: tuple[PersonSettings, ...] = ()
    """Who is known under which names; without it, everybody is named as they log in."""
    web: WebSettings = WebSettings()
    """Logins of the pages."""
    limits: LimitSettings = LimitSettings()
    """Sizes, and how long something may wait."""
    log: LogSettings = LogSettings()
    """What is written to stderr, and how."""
    retention: Duration = timedelta(days=90)
    """Closed incidents are deleted after this."""
    external_url: RootUrl | None = None
    """The bridge's own address, for links in messages."""
    runbook_base_url: BaseUrl = None
    """Stands before a runbook_url that is a path; without it, the bridge's own /runbooks."""
    dashboard_base_url: BaseUrl = None
    """Stands before a dashboard_url that is a path; without it, such a one is no link."""
    templates: FolderPath | None = None
    """A folder whose summary.txt, body.txt and body.html replace the bridge's own."""
    context: ContextSettings | None = None
    """What is asked of Prometheus about an incident."""
    heartbeats: tuple[Annotated[Heartbeat, Written(HeartbeatSettings, HeartbeatSettings.heartbeat)], ...] = ()
    """Alerts that must keep coming."""
    ping: PingSettings | None = None
    """Who is called outside while all is well."""
    storm: StormSettings = StormSettings()
    """When more waits for a channel than it can carry, and is sent as one digest."""


class RoutesFile(_Keys):
    """routes.yaml of the incident bridge."""

    route: RouteNode
    """Which channels are notified of what; the root takes what no other route takes."""


class Settings(_Keys):
    """What the rest of the bridge sees: the file's keys, and what several of them mean together."""

    route: Route
    storms: Mapping[str, StormLimits]  #: by channel; one that is not in it never storms
    warnings: tuple[Fault, ...]
    digest: str  #: SHA-256 of the file's text, whatever the environment holds


@functools.cache
def file_model(channel_types: ChannelTypes) -> type[RoutesFile]:
    """The file, where a channel may be any of these."""
    any_of: Any = Annotated[Union[channel_types], Field(discriminator="type")]  # noqa: UP007
    channels: Any = (Annotated[Mapping[str, any_of], FROZEN], Field(description="Where messages go: name -> channel."))
    return create_model("RoutesFile", __base__=RoutesFile, __doc__=RoutesFile.__doc__, channels=channels)


def storms_of(file: RoutesFile) -> Iterator[tuple[str, StormLimits]]:
    """By channel. One without a rate can carry everything."""
    for name, channel in file.channels.items():
        own = file.storm.model_copy(update=channel.storm.model_dump(exclude_none=True))
        if own.enabled and channel.rate is not None:
            pace = channel.rate.per_second
            page = f"{file.external_url}/?channel={name}&held=storm" if file.external_url else None
            yield name, StormLimits(pace, own.patience, own.at_least, own.calm, own.update_every, page)


def secret_values(settings: BaseModel) -> frozenset[str]:
    """Every secret in the settings, for a log filter that must never let one pass."""
    return frozenset(value for value in _secrets(settings) if value)


def _secrets(thing: object) -> Iterator[str]:
    if isinstance(thing, SecretStr):
        yield thing.get_secret_value()
    elif isinstance(thing, BaseModel):
        for _, value in thing:
            yield from _secrets(value)
    elif isinstance(thing, Mapping):
        for value in thing.values():
            yield from _secrets(value)
    elif isinstance(thing, tuple):
        for value in thing:
            yield from _secrets(value)
