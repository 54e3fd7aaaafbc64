"""The JSON that a webhook channel posts: Alertmanager's own, version "4", and a block `incident` of the bridge's.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. Labels and annotations are as they came: here
they are data, and a receiver that shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from bridge.core.facts import AfterEnd, ChangeEvent, Fact, Hypothesis, Measurements, newest_of
from bridge.core.model import Alert
from bridge.core.ports import Claim, Message
from bridge.rendering.view import believable, in_order

Json = dict[str, Any]
MAX_BYTES = 1_000_000  #: of the body; what is left out is counted in truncatedAlerts
MAX_SHRUNK_TEXT = 500  #: characters of one value, once the receiver has found a body too large
NO_END = "0001-01-01T00:00:00Z"  #: as Alertmanager writes the end of what still fires


def payload_of(message: Message, claim: Claim, channel: str) -> Json:
    """With as many alerts as fit, the most severe first. claim.shrink: the first alone, without context."""
    alerts = [_alert(each) for each in believable(claim.incident, in_order(claim.incident))]
    if claim.shrink:
        smallest = _payload(message, claim, channel, alerts[:1], len(alerts) - 1, None)
        return {key: _shrunk(value) for key, value in smallest.items()}
    whole = _payload(message, claim, channel, alerts, 0, message.context)
    if (size := len(orjson.dumps(whole))) <= MAX_BYTES:
        return whole
    room = MAX_BYTES - (size - sum(len(orjson.dumps(each)) + 1 for each in alerts))
    kept = _fitting(alerts, room)
    return _payload(message, claim, channel, kept, len(alerts) - len(kept), message.context)


def _payload(
    message: Message, claim: Claim, channel: str, alerts: list[Json], left_out: int, context: Measurements | None
) -> Json:
    incident = claim.incident
    return {
        "version": "4",
        "groupKey": incident.group_key,
        "truncatedAlerts": message.truncated + max(0, left_out),
        "status": "firing" if message.firing else "resolved",
        "receiver": channel,
        "groupLabels": dict(incident.group_labels),
        "commonLabels": _common(each["labels"] for each in alerts),
        "commonAnnotations": _common(each["annotations"] for each in alerts),
        "externalURL": incident.external_url,
        "alerts": alerts,
        "incident": _incident(message, context),
    }


def _incident(message: Message, context: Measurements | None) -> Json:
    return {
        "number": message.number,
        "uid": message.uid,
        "dedup_key": message.dedup_key,
        "revision": message.revision,
        "state": message.state.value,
        "severity": message.severity,
        "informational": message.informational,
        "title": message.title,
        "summary": message.summary,
        "source": message.source,
        "component": message.component,
        "opened_at": _time(message.opened_at),
        "updated_at": _time(message.updated_at),
        "resolved_at": _time(message.resolved_at),
        "acknowledged_by": message.acknowledged_by,
        "firing": message.firing_count,
        "resolved": message.resolved_count,
        "flapping": message.flapping,
        "last_time": message.last_time,
        "first_step": message.first_step,
        "url": message.incident_url,
        "links": [{"text": link.text, "href": link.href} for link in message.links],
        "news": [{"at": _time(each.at), "kind": each.kind.value, "text": each.text} for each in message.news],
        "notes": [{"at": _time(each.at), "by": each.actor, "text": each.text} for each in message.notes],
        "context": _context(context) if context is not None else None,
    }


def _alert(alert: Alert) -> Json:
    """One whose end is deferred, since it flaps, is shown as firing."""
    return {
        "status": "firing" if alert.shown else "resolved",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": _time(alert.starts_at),
        "endsAt": NO_END if alert.shown or alert.ends_at is None else _time(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
        "severity": alert.severity.value,
        "muted": alert.muted,
    }


def _context(known: Measurements) -> Json:
    context = newest_of(known)
    onset = context.onset
    return {
        "at": _time(context.at),
        "after_end": isinstance(known, AfterEnd),
        "onset": {"at": _time(onset.at), "source": onset.source} if onset else None,
        "hypothesis": _hypothesis(context.hypothesis) if context.hypothesis else None,
        "looked_at": list(context.looked_at),
        "changes_known": context.changes_known,
        "facts": [_fact(each) for each in context.facts],
        "changes": [_change(each) for each in context.changes],
        "unknown": [{"title": each.title, "why": each.why} for each in context.unknown],
    }


def _hypothesis(hypothesis: Hypothesis) -> Json:
    return {
        "rule": hypothesis.rule,
        "confidence": hypothesis.confidence.value,
        "text": hypothesis.text,
        "short": hypothesis.short,
        "evidence": list(hypothesis.evidence),
    }


def _fact(fact: Fact) -> Json:
    return {
        "name": fact.name,
        "title": fact.title,
        "unit": fact.unit.value,
        "value": fact.value,
        "of": fact.of,
        "at": _time(fact.at),
        "verdict": fact.verdict.value,
        "why": fact.why,
        "parts": [{"name": part.name, "value": part.value, "of": part.of} for part in fact.parts],
    }


def _change(change: ChangeEvent) -> Json:
    return {
        "kind": change.kind,
        "service": change.service,
        "at": _time(change.at),
        "summary": change.summary,
        "version": change.version,
        "previous": change.previous,
        "by": change.by,
        "link": change.link,
    }


def _common(every: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What all have, with the same value."""
    first, *others = [set(each.items()) for each in every] or [set[tuple[str, str]]()]
    return dict(sorted(first.intersection(*others)))


def _fitting(alerts: list[Json], room: int) -> list[Json]:
    kept: list[Json] = []
    for each in alerts:
        room -= len(orjson.dumps(each)) + 1
        if room < 0:
            break
        kept.append(each)
    return kept


def _shrunk(value: Any) -> Any:
    """The same shape with every text cut."""
    if isinstance(value, str):
        return value[:MAX_SHRUNK_TEXT]
    if isinstance(value, list):
        return [_shrunk(each) for each in value]
    return {key: _shrunk(each) for key, each in value.items()} if isinstance(value, dict) else value


def _time(at: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at is not None else None
