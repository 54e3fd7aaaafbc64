"""The composition root: the only file that imports every package."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.app.settings import load
from bridge.channels.pagerduty.settings import PagerDutySettings
from bridge.config import ChannelSettings, Rate, Settings, secret_values
from bridge.config.context import ContextSettings, PrometheusSettings
from bridge.config.probe import ProbeSettings
from bridge.config.secret_files import read_secret
from bridge.config.sources import ReconcileSettings
from bridge.core.changes import CHANGE_RULES
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec, Incident
from bridge.core.ports import ChannelCapacity
from bridge.core.reconciliation import GracePeriods
from bridge.core.routing.tree import canonical_labels, template_for, walk
from bridge.core.storms.detection import StormLimits
from bridge.observability.logs import Redactor
from bridge.rendering.links import addresses_of
from bridge.rendering.renderer import Renderer, check_templates
from bridge.rendering.view import in_order
from bridge.store import Policy
from bridge.worker import ContextGatherer, ModelProbe, PictureMaker, Setup
from bridge.worker.change_events import ChangeSender
from bridge.worker.pings import PingTarget
from bridge.worker.reconciliation import ReconciledSource

if TYPE_CHECKING:
    from bridge.clients.alertmanager import Server

Observe = Callable[[str, float], None]


def utc_now() -> datetime:
    return datetime.now(UTC)


def load_settings(path: Path | str) -> Settings:
    """routes.yaml with this process's environment. Raises ConfigurationFaults with every fault."""
    return load(path, os.environ, check_templates)


def worker_setup(settings: Settings, observe: Observe = lambda outcome, seconds: None) -> Setup:
    """observe: called with how each query for context ended, and its seconds."""
    channels = {name: channel.build(name) for name, channel in settings.channels.items()}
    capacities = {
        name: _capacity(name, channel, settings.storms.get(name)) for name, channel in settings.channels.items()
    }
    context = settings.context
    return Setup(
        channels,
        capacities,
        renderer_of(settings),
        settings.retention,
        _gatherer_of(settings, observe),
        _pictures_of(settings),
        _probes_of(settings),
        context.budget.total_seconds() if context else 0.0,
        Redactor(secret_values(settings)).text,
    )


def _gatherer_of(settings: Settings, observe: Observe) -> ContextGatherer | None:
    context = settings.context
    if context is None or not (context.questions or context.probes):
        return None
    from bridge.clients.context_gathering import Gatherer, QueryLimits
    from bridge.clients.prometheus import Prometheus, Server  # here, so that the web process need not carry its library

    server = Server(context.prometheus.url, context.prometheus.headers, _token_of(context.prometheus))
    limits = QueryLimits(
        budget=context.budget.total_seconds(),
        per_query=context.query_timeout.total_seconds(),
        shared=context.shared_for.total_seconds(),
        window=context.window.total_seconds(),
        step=context.step.total_seconds(),
    )
    source = Prometheus(server, utc_now)
    return Gatherer(source, context.questions, context.labels, limits, utc_now, observe, context.changes)


def _pictures_of(settings: Settings) -> PictureMaker | None:
    context = settings.context
    if context is None or not context.pictures:
        return None
    from bridge.charts import ChartMaker, DrawingProcess
    from bridge.clients.prometheus import Prometheus, Server  # here, so that the web process need not carry its library

    server = Server(context.prometheus.url, context.prometheus.headers, _token_of(context.prometheus))
    source, drawing = Prometheus(server, utc_now), DrawingProcess()
    return ChartMaker(source, drawing, utc_now, distributions=context.distributions, scope=context.labels)


def _probes_of(settings: Settings) -> Sequence[ModelProbe]:
    context = settings.context
    if context is None:
        return ()
    return [_probe_of(each, context) for each in context.probes]


def _probe_of(probe: ProbeSettings, context: ContextSettings) -> ModelProbe:
    from bridge.clients.golden_probe import Endpoint, Fields, GoldenProbe
    from bridge.clients.prometheus import Prometheus, Server  # here, so that the web process need not carry its library

    endpoint = Endpoint(
        probe.probe,
        probe.golden,
        probe.urls,
        probe.instances,
        probe.allowed,
        probe.scheme,
        probe.path,
        probe.sent_headers,
        probe.batch,
        probe.budget.total_seconds(),
        probe.timeout.total_seconds(),
        Fields(**dict(probe.fields)),
        context.labels,
    )
    server = Server(context.prometheus.url, context.prometheus.headers, _token_of(context.prometheus))
    return GoldenProbe(endpoint, Prometheus(server, utc_now) if probe.instances is not None else None)


def _token_of(server: PrometheusSettings | ReconcileSettings) -> Callable[[], str] | None:
    token, path = server.token, server.token_file
    if path is not None:
        return lambda: read_secret(path)
    return token.get_secret_value if token is not None else None


def reconciled_sources(settings: Settings) -> Sequence[ReconciledSource]:
    """The sources that are reconciled with their Alertmanagers. Call it inside the running loop."""
    from bridge.clients.alertmanager import AlertmanagerApi  # here, so that the web process need not carry its library

    pairs = ((source, source.reconciliation) for source in settings.sources)
    return [
        ReconciledSource(
            name=source.name,
            alertmanagers={url: AlertmanagerApi(_server(url, reconcile), utc_now) for url in source.alertmanagers},
            grace=GracePeriods(reconcile.after, reconcile.settled),
            every_seconds=reconcile.every.total_seconds(),
            timeout_seconds=reconcile.timeout.total_seconds(),
        )
        for source, reconcile in pairs
        if reconcile is not None
    ]


def _server(url: str, reconcile: ReconcileSettings) -> Server:
    from bridge.clients.alertmanager import Server

    basic = reconcile.basic_auth
    pair = (basic.username, basic.password.get_secret_value()) if basic else None
    return Server(url, _token_of(reconcile), pair, reconcile.timeout.total_seconds())


def ping_target(settings: Settings) -> PingTarget | None:
    """The monitor outside that is pinged while the bridge is healthy."""
    ping = settings.ping
    if ping is None:
        return None
    from bridge.clients.outside_ping import PingUrl  # here, for the same reason

    monitor = PingUrl(ping.url.get_secret_value, ping.timeout.total_seconds())
    redact = Redactor(secret_values(settings)).text
    return PingTarget(monitor, ping.every, settings.limits.overdue, ping.tell_failures, redact)


def renderer_of(settings: Settings) -> Renderer:
    kinds = {name: channel.type for name, channel in settings.channels.items()}
    named = sorted({route.template for route in walk(settings.route) if route.template})
    choose = _template_of(settings) if named else lambda incident: None
    return Renderer(
        settings.templates,
        settings.external_url,
        kinds=kinds,
        named=named,
        choose=choose,
        addresses=addresses_of(settings),
    )


def _template_of(settings: Settings) -> Callable[[Incident], str | None]:
    """The route of an incident's worst alert decides."""
    canonical = canonical_of(settings)

    def choose(incident: Incident) -> str | None:
        worst = next(iter(in_order(incident)), None)
        return template_for(settings.route, canonical(worst.labels)) if worst is not None else None

    return choose


def policy_of(settings: Settings) -> Policy:
    """What the store needs of the settings."""
    incidents = settings.incidents
    rules = Rules(
        incidents.reopen_within,
        incidents.late_within,
        incidents.page_again,
        incidents.acknowledge_for,
        incidents.flapping,
        canonical=canonical_of(settings),
    )
    specs = {name: _spec(name, channel) for name, channel in settings.channels.items()}
    change_channels = tuple(_change_channels(settings))
    changes = settings.context.changes if settings.context else CHANGE_RULES
    return Policy(
        rules,
        settings.route,
        specs,
        changes,
        change_channels=change_channels,
        heartbeats=settings.heartbeats,
        storms=settings.storms,
    )


def change_senders_of(settings: Settings) -> Mapping[str, ChangeSender]:
    """By channel: what sends it every change event."""
    from bridge.channels.pagerduty.change_events import PagerDutyChanges

    return {name: PagerDutyChanges(channel) for name, channel in _change_channels(settings).items()}


def _change_channels(settings: Settings) -> dict[str, PagerDutySettings]:
    return {
        name: channel
        for name, channel in settings.channels.items()
        if isinstance(channel, PagerDutySettings) and channel.takes_changes
    }


def canonical_of(settings: Settings) -> Callable[[Mapping[str, str]], Mapping[str, str]]:
    label, aliases = settings.incidents.severity_label, settings.incidents.severity_aliases
    return lambda labels: canonical_labels(labels, aliases, label)


def _spec(name: str, channel: ChannelSettings) -> ChannelSpec:
    return ChannelSpec(name, recipients=channel.recipients, edits=channel.edits, send_resolved=channel.send_resolved)


def _capacity(name: str, channel: ChannelSettings, storm: StormLimits | None) -> ChannelCapacity:
    rate: Rate | None = channel.rate
    per_second = None if rate is None else rate.per_second
    # A burst of one second's worth (at least one): vendors tolerate short bursts, and a lone page never waits.
    burst = 1 if per_second is None else max(1, int(per_second))
    lease = channel.timeout.total_seconds() * 3 + 30  # several calls may make one send
    storm_at = storm.begins_at if storm is not None else None
    return ChannelCapacity(name, channel.concurrency, per_second, burst, lease, storm_at)
