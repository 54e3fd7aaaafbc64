"""PagerDuty events as values: which ones bring PagerDuty to the incident's state, within the vendor's limits.

https://developer.pagerduty.com/docs/send-alert-event
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from bridge.core.model import State
from bridge.core.ports import AlertLine, Claim, Message
from bridge.rendering.context_view import ContextView, FactLine, view_of
from bridge.rendering.places import where_of
from bridge.rendering.text import clean, cut, one_line
from bridge.rendering.view import started_at, why_notified

Event = dict[str, Any]
MAX_SUMMARY = 1024  # longer is refused with 400: https://github.com/prometheus/alertmanager/issues/1700
# "512 KB"; Alertmanager keeps 512000 bytes of encoded JSON. The routing key is added while sending.
MAX_BYTES = 512_000 - 200
MAX_LINKS = 20
MAX_FIELD = 255
MAX_TEXT = 1000  #: of one description: a phone shows no more without a lot of thumb
MAX_NOTES = 5
CLIENT = "incident-bridge"
ACKNOWLEDGING = "acknowledging"  #: an acknowledge may have arrived: kept before it is sent
SEVERITIES = {"critical": "critical", "warning": "warning", "info": "info", "none": "info"}


def events_of(message: Message, claim: Claim) -> list[Event]:
    """No event when the incident is over and PagerDuty shows so already, or never got its trigger."""
    shown = claim.handle.get("state", "")
    if not message.firing:
        over = shown == "resolved" or not shown
        return [] if over and not claim.unknown else [_plain("resolve", message)]
    trigger = minimal(message) if claim.shrink else fitted(message)
    if message.state is State.ACKNOWLEDGED:
        return [trigger] if shown == "acknowledged" else [trigger, _plain("acknowledge", message)]
    if shown not in ("acknowledged", ACKNOWLEDGING):
        return [trigger]
    # It is unacknowledged again and must ring. An acknowledged incident of PagerDuty rings for no trigger; after a
    # resolve, a trigger with the same dedup_key opens a new one. See docs/decisions/0011-page-again.md
    return [_plain("resolve", message), trigger]


def state_after(event: Event, shown: str) -> str:
    """PagerDuty keeps an incident acknowledged when another trigger arrives."""
    if event["event_action"] == "trigger":
        return shown if shown in ("acknowledged", ACKNOWLEDGING) else "triggered"
    return "resolved" if event["event_action"] == "resolve" else "acknowledged"


def minimal(message: Message) -> Event:
    """What PagerDuty cannot refuse for its content: only the required fields."""
    return {
        **_plain("trigger", message),
        "client": CLIENT,
        "payload": {
            "summary": cut(one_line(message.summary) or one_line(message.title) or "Alert", MAX_SUMMARY),
            "source": _field(message.source) or CLIENT,
            "severity": SEVERITIES.get(message.severity, "error"),
        },
    }


def fitted(message: Message) -> Event:
    """With as many alerts in the details as fit; the encoding is ASCII, so an emoji is 12 bytes."""
    for shown in (len(message.alerts), 10, 3, 1, 0):
        event = _full(message, message.alerts[:shown])
        if _fits(event):
            return event
    return minimal(message)


def _fits(event: Event) -> bool:
    """As ASCII an octet of UTF-8 takes no more than three (an emoji's four take twelve), and blanks are beside it."""
    return 4 * len(orjson.dumps(event)) <= MAX_BYTES or len(json.dumps(event)) <= MAX_BYTES


def _full(message: Message, alerts: tuple[AlertLine, ...]) -> Event:
    event = minimal(message)
    named = {"component": message.component, "group": message.group, "class": message.alertname}
    event["payload"] |= {name: _field(text) for name, text in named.items() if _field(text)}
    event["payload"] |= {
        "timestamp": started_at(message).isoformat(),
        "custom_details": _details(message, alerts),
    }
    links = [{"href": link.href, "text": _field(link.text)} for link in message.links[:MAX_LINKS]]
    event |= {"links": links} if links else {}
    # PagerDuty fetches them itself, over TLS only
    leads = {"href": message.incident_url} if message.incident_url else {}
    images = [
        {"src": picture.url, "alt": _field(picture.alt), **leads}
        for picture in message.pictures
        if picture.url and picture.url.startswith("https://")
    ]
    event |= {"images": images} if images else {}
    return event | ({"client_url": message.incident_url} if message.incident_url else {})


def _details(message: Message, alerts: tuple[AlertLine, ...]) -> Event:
    """What a phone shows without scrolling comes first: the cause, what changed, and the first step."""
    learned = view_of(message.context, started_at(message), message.component)
    details: Event = {
        **_first_screen(message, learned),
        **_measured(learned),
        **({"told_because": why} if (why := [cut(one_line(text), MAX_TEXT) for text in why_notified(message)]) else {}),
        "incident": message.number,
        "title": clean(message.title),
        "firing": [_alert(line) for line in alerts if line.status == "firing"],
        "resolved": [_alert(line) for line in alerts if line.status != "firing"],
        "num_firing": message.firing_count,
        "num_resolved": message.resolved_count,
    }
    notes = [cut(f"{one_line(note.actor)}: {one_line(note.text)}", MAX_TEXT) for note in message.notes[-MAX_NOTES:]]
    details |= {"notes": notes} if notes else {}
    hidden = message.hidden + len(message.alerts) - len(alerts)
    details |= {"alerts_not_shown": hidden} if hidden else {}
    return details | ({"acknowledged_by": message.acknowledged_by} if message.acknowledged_by else {})


def _first_screen(message: Message, learned: ContextView) -> Event:
    changes: list[str] | str = [cut(change.text, MAX_TEXT) for change in learned.changes]
    if learned.more_changes and isinstance(changes, list):
        changes.append(f"and {learned.more_changes} more")
    details: Event = {
        "what_fails": [_fails(fact) for fact in learned.worst],
        "began": learned.began,
        "where": cut(where_of(learned.where, message.alerts), MAX_TEXT),
        **_cause(message, learned),
        "not_known": [] if learned.probably else list(learned.unknown),
        "what_changed": changes or ("" if message.informational else learned.no_change),
        "last_time": cut(one_line(message.last_time), MAX_TEXT),
        "first_step": message.first_step,
    }
    return {name: value for name, value in details.items() if value}


def _cause(message: Message, learned: ContextView) -> Event:
    """Under the word that says how sure it is: `probably` or `possibly`."""
    if learned.probably:
        return {learned.cause_word.lower(): learned.probably}
    return {"cause": learned.no_cause} if not message.informational else {}


def _measured(learned: ContextView) -> Event:
    details = {
        "rule": learned.rule,
        "facts": _facts(learned),
        "not_known": list(learned.unknown) if learned.probably else [],
        "measured_at": learned.measured,
    }
    return {name: value for name, value in details.items() if value}


def _fails(fact: FactLine) -> str:
    return cut(f"{fact.title}{f' {fact.value}' if fact.value else ''}: {fact.detail}", MAX_TEXT)


def _facts(learned: ContextView) -> dict[str, str]:
    """By title, what is bad first; a repeated title has its question's name as well."""
    facts: dict[str, str] = {}
    for fact in learned.facts:
        title = fact.title if fact.title not in facts else f"{fact.title} ({fact.name})"
        facts[title] = cut(fact.line, MAX_TEXT)
    return facts


def _alert(line: AlertLine) -> Event:
    shown = {
        "alert": line.name,
        "severity": line.severity,
        "summary": line.summary,
        "description": line.description,
        "muted": line.muted,
    }
    texts = {name: cut(clean(value), MAX_TEXT) for name, value in shown.items() if value}
    labels = {_field(name): _field(value) for name, value in line.labels.items()}
    return {**texts, "since": line.starts_at.isoformat(), "labels": labels}


def _plain(action: str, message: Message) -> Event:
    return {"event_action": action, "dedup_key": message.dedup_key}


def _field(text: str) -> str:
    return cut(one_line(text), MAX_FIELD)
