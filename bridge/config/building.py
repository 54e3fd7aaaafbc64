"""From the validated file to Settings. Nothing can go wrong here any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path as FilePath
from types import MappingProxyType

from pydantic import SecretStr

from bridge.config import schema, schema_context
from bridge.config.document import Document
from bridge.config.faults import Fault, Path, format_path
from bridge.config.schema_routes import Interval, RouteNode, TimeIntervalEntry
from bridge.config.settings import (
    BasicAuthSettings,
    ChannelSettings,
    ContextSettings,
    EmailSettings,
    IncidentSettings,
    LimitSettings,
    LogSettings,
    PagerDutySettings,
    PingSettings,
    PrometheusSettings,
    ReconcileSettings,
    Settings,
    SeveritySettings,
    SlackSettings,
    SourceSettings,
    WebSettings,
)
from bridge.config.values import parse_host_port
from bridge.core.changes import CHANGE_RULES, ChangeRule
from bridge.core.context.questions import DistributionQuestion, Question
from bridge.core.heartbeats import Heartbeat
from bridge.core.incidents.state_changes import Flapping
from bridge.core.model import Severity
from bridge.core.network.mailboxes import parse_mailbox
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.time_intervals import NamedIntervals, TimeInterval, parse_time_range
from bridge.core.routing.tree import Escalation, Route
from bridge.core.storms.detection import StormLimits

_NO_SECRET = SecretStr("")


def build(
    file: schema.RoutesFile, document: Document, folder: FilePath, warnings: tuple[Fault, ...], digest: str
) -> Settings:
    intervals = {entry.name: named_intervals(entry) for entry in file.time_intervals}
    return Settings(
        channels=MappingProxyType({name: _channel(name, each, folder) for name, each in file.channels.items()}),
        sources=tuple(_source(source, folder) for source in file.sources),
        route=replace(_route(file.route, document, ("route",), intervals), fallback_after=_fallback_after(file)),
        incidents=_incidents(file.incidents),
        severities=_severities(file.incidents),
        retention=file.retention,
        external_url=_base(file.external_url),
        runbook_base_url=_base(file.runbook_base_url),
        dashboard_base_url=_base(file.dashboard_base_url),
        web=_web(file.web),
        limits=LimitSettings(file.limits.body, file.limits.overdue, _buffered(file.limits)),
        log=LogSettings(file.log.level, file.log.format),
        templates=folder / file.templates if file.templates else None,
        context=_context(file.context, folder) if file.context else None,
        heartbeats=tuple(_heartbeat(each) for each in file.heartbeats),
        ping=_ping(file.ping) if file.ping else None,
        storms=MappingProxyType(dict(_storms(file))),
        warnings=warnings,
        digest=digest,
    )


def _web(web: schema.Web) -> WebSettings:
    users = {name: SecretStr(value) for name, value in web.users.items()}
    return WebSettings(MappingProxyType(users), web.trusted_proxies)


def _buffered(limits: schema.Limits) -> int:
    """Room for the largest body and some others."""
    return limits.buffered if limits.buffered is not None else max(40 * 2**20, limits.body * 5 // 4)


def _base(url: str | None) -> str | None:
    """A path with a slash comes behind it."""
    return url.rstrip("/") if url else None


def _incidents(incidents: schema.Incidents) -> IncidentSettings:
    flapping = incidents.flapping
    return IncidentSettings(
        incidents.reopen_within,
        incidents.late_within,
        incidents.page_again,
        incidents.acknowledge_for or None,
        Flapping(flapping.turns, flapping.within, flapping.calm) if flapping.turns else None,
    )


def _ping(ping: schema.Ping) -> PingSettings:
    return PingSettings(ping.url or _NO_SECRET, ping.every, ping.timeout, ping.tell_failures)


def _fallback_after(file: schema.RoutesFile) -> timedelta:
    """Of the root, which every route inherits from."""
    own = file.route.fallback_after
    return file.incidents.fallback_after if own is None else own


def _severities(incidents: schema.Incidents) -> SeveritySettings:
    return SeveritySettings(incidents.severity_label, MappingProxyType(dict(incidents.severity_aliases)))


def _channel(name: str, channel: schema.AnyChannel, folder: FilePath) -> ChannelSettings:
    if isinstance(channel, schema.PagerDutyChannel):
        return _pagerduty(name, channel)
    return _slack(name, channel) if isinstance(channel, schema.SlackChannel) else _email(name, channel, folder)


def _pagerduty(name: str, channel: schema.PagerDutyChannel) -> PagerDutySettings:
    return PagerDutySettings(
        name=name,
        routing_key=channel.routing_key or _NO_SECRET,
        base_url=channel.base_url.rstrip("/"),
        rate=channel.rate,
        concurrency=channel.concurrency,
        timeout=channel.timeout,
        send_resolved=channel.send_resolved,
        change_events=channel.change_events,
    )


def _slack(name: str, channel: schema.SlackChannel) -> SlackSettings:
    return SlackSettings(
        name=name,
        token=channel.token or _NO_SECRET,
        channel=channel.channel,
        base_url=channel.base_url.rstrip("/") + "/",
        rate=channel.rate,
        concurrency=channel.concurrency,
        timeout=channel.timeout,
        send_resolved=channel.send_resolved,
        mention=channel.mention,
    )


def _email(name: str, channel: schema.EmailChannel, folder: FilePath) -> EmailSettings:
    host, port = parse_host_port(channel.smarthost)
    return EmailSettings(
        name=name,
        host=host,
        port=port,
        tls=channel.tls,
        ca_file=folder / channel.ca_file if channel.ca_file else None,
        username=channel.username,
        password=channel.password,
        from_=channel.from_,
        to=channel.to,
        hello=channel.hello,
        domain=channel.domain or parse_mailbox(channel.from_).domain,
        rate=channel.rate,
        concurrency=channel.concurrency,
        timeout=channel.timeout,
        send_resolved=channel.send_resolved,
    )


def _source(source: schema.Source, folder: FilePath) -> SourceSettings:
    urls = tuple(dict.fromkeys(url.rstrip("/") for url in (source.urls or (source.url or "",)) if url))
    asked = bool(urls) and source.reconcile.enabled and source.type == "alertmanager"
    return SourceSettings(
        name=source.name,
        type=source.type,
        url=urls[0] if urls else None,
        urls=urls,
        alertmanager_ui=_base(source.alertmanager_ui),
        reconcile=_reconcile(source.reconcile, folder) if asked else None,
        tokens=source.tokens,
        basic_auth=_basic_auth(source.basic_auth) if source.basic_auth else None,
        dedup_key=source.dedup_key,
        hmac_secret=source.hmac_secret,
        hmac_timestamp_header=source.hmac_timestamp_header,
        hmac_max_age=source.hmac_max_age,
    )


def _reconcile(reconcile: schema.Reconcile, folder: FilePath) -> ReconcileSettings:
    return ReconcileSettings(
        every=reconcile.every,
        after=reconcile.after,
        settled=reconcile.settled,
        timeout=reconcile.timeout,
        token=reconcile.token,
        token_file=folder / reconcile.token_file if reconcile.token_file else None,
        basic_auth=_basic_auth(reconcile.basic_auth) if reconcile.basic_auth else None,
    )


def _basic_auth(auth: schema.BasicAuth) -> BasicAuthSettings:
    return BasicAuthSettings(auth.username, auth.password or _NO_SECRET)


def _route(node: RouteNode, document: Document, path: Path, intervals: Mapping[str, NamedIntervals]) -> Route:
    escalate = node.escalate
    return Route(
        matchers=tuple(matcher for text in node.matchers for matcher in parse_matchers(text)),
        notify=node.notify,
        routes=tuple(
            _route(child, document, (*path, "routes", index), intervals) for index, child in enumerate(node.routes)
        ),
        continue_=node.continue_,
        fallback=node.fallback,
        fallback_after=node.fallback_after,
        escalate=None if escalate is None else tuple(Escalation(step.after, step.notify) for step in escalate),
        mute=tuple(intervals[name] for name in node.mute_time_intervals),
        active=tuple(intervals[name] for name in node.active_time_intervals),
        template=node.template,
        path=format_path(path),
        line=document.line(path),
    )


def named_intervals(entry: TimeIntervalEntry) -> NamedIntervals:
    return NamedIntervals(entry.name, tuple(_interval(interval) for interval in entry.time_intervals))


def _interval(interval: Interval) -> TimeInterval:
    return TimeInterval(
        times=tuple(parse_time_range(times.start_time, times.end_time) for times in interval.times or ()),
        weekdays=interval.weekdays or (),
        days_of_month=interval.days_of_month or (),
        months=interval.months or (),
        years=interval.years or (),
        location=interval.location,
    )


def _context(context: schema_context.Context, folder: FilePath) -> ContextSettings:
    server = context.prometheus
    token_file = folder / server.token_file if server.token_file else None
    headers = MappingProxyType(dict(server.headers))
    return ContextSettings(
        prometheus=PrometheusSettings(server.url, server.name, headers, server.token, token_file),
        budget=context.budget,
        query_timeout=context.query_timeout,
        shared_for=context.shared_for,
        window=context.window,
        labels=context.labels,
        questions=tuple(_question(each) for each in context.questions),
        pictures=context.pictures,
        distributions=tuple(_distribution(each) for each in context.distributions),
        changes=CHANGE_RULES if context.changes is None else tuple(_change_rule(each) for each in context.changes),
    )


def _heartbeat(entry: schema.Heartbeat) -> Heartbeat:
    matchers = tuple(matcher for text in entry.matchers for matcher in parse_matchers(text))
    return Heartbeat(entry.name, matchers, entry.every, Severity(entry.severity))


def _storms(file: schema.RoutesFile) -> Iterator[tuple[str, StormLimits]]:
    """A channel without a pace can carry everything."""
    for name, channel in file.channels.items():
        own = file.storm.model_copy(update=channel.storm.model_dump(exclude_none=True))
        if own.enabled and channel.rate is not None:
            pace = channel.rate.per_second
            held_url = f"{file.external_url.rstrip('/')}/?channel={name}&held=storm" if file.external_url else None
            yield name, StormLimits(pace, own.patience, own.at_least, own.calm, own.update_every, held_url)


def _distribution(entry: schema_context.DistributionEntry) -> DistributionQuestion:
    matchers = tuple(matcher for text in entry.matchers for matcher in parse_matchers(text))
    return DistributionQuestion(**entry.model_dump(exclude={"matchers"}), matchers=matchers)


def _change_rule(entry: schema_context.ChangeRuleEntry) -> ChangeRule:
    matchers = tuple(matcher for text in entry.matchers for matcher in parse_matchers(text))
    return ChangeRule(matchers, entry.kind, entry.version_label, entry.service_label)


def _question(entry: schema_context.QuestionEntry) -> Question:
    matchers = tuple(matcher for text in entry.matchers for matcher in parse_matchers(text))
    plain = entry.model_dump(exclude={"matchers"})
    return Question(**plain, matchers=matchers)
