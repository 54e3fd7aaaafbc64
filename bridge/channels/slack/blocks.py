"""The coloured part of a Slack message, as blocks: what is least important goes first when there is no room.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any

from bridge.channels.slack.text import link, mrkdwn
from bridge.core.ports import AlertLine, Message
from bridge.rendering.context_view import ContextView, FactLine, view_of
from bridge.rendering.text import cut, one_line, utf16_units
from bridge.rendering.view import started_at

Json = dict[str, Any]
MAX_HEADER = 150
MAX_SECTION = 2900
# Slack counts 12,000 to 13,200 characters over all blocks and says so nowhere: slackapi/bolt-js#2509, #2867.
# The count here is of ASCII JSON, which is never less than what Slack counts.
MAX_BLOCKS_TEXT = 9_500
FAIR = 3  #: a piece that takes more than one part in so many of what is left is shortened
FOOT_ROOM = 800  #: kept for the line that says what is not shown
MAX_ALERTS = 10
MAX_FACTS = 20
MAX_AFTER = 5
MAX_FIELDS = 10  #: in one section
MAX_LINKS_TEXT = 2700
MAX_LINKS = 8
COLOURS = {"critical": "#c62828", "warning": "#f2a100", "unknown": "#f2a100"}
RESOLVED, INFO, QUIET = "#2e7d32", "#1565c0", "#5f6368"
ENDED = "⚪"
MARKS = {"critical": "🔴", "warning": "🟠", "unknown": "🟠", "info": "🔵"}


class Room:
    """How many characters are left; what does not fit takes nothing."""

    def __init__(self, characters: int) -> None:
        self.left = characters

    def takes(self, piece: Json) -> bool:
        size = _size(piece)
        if size > self.left:
            return False
        self.left -= size
        return True

    def fitting(self, pieces: Iterable[Json]) -> list[Json]:
        """Up to the first that does not fit: nothing less important takes its place."""
        return list(takewhile(self.takes, pieces))

    def fair(self, full: Json, short: Callable[[], Json]) -> list[Json]:
        """The full piece if it leaves enough for others, else the short one, if that fits."""
        return self.fitting([full if _size(full) * FAIR <= self.left else short()])


def attachment_of(message: Message) -> Json:
    colour = COLOURS.get(message.severity, INFO) if message.firing else QUIET if message.informational else RESOLVED
    return {"color": colour, "fallback": mrkdwn(message.summary, 500) or "Alert", "blocks": blocks_of(message)}


def blocks_of(message: Message) -> list[Json]:
    """Room is given by importance: state, links, the worst alert, cause, changes, facts in order, other alerts."""
    learned = view_of(message.context, started_at(message), message.component)
    room = Room(MAX_BLOCKS_TEXT - FOOT_ROOM)
    top = room.fitting([_header(message), *_state(message, learned), *_links(message)])
    measured = room.fitting(_measured(learned))
    worst = [piece for line in message.alerts[:1] for piece in _worst(line, room)]
    cause = [*_cause(learned, room), *_changes(learned, room)]
    cause += room.fitting([small(f"🔁 {mrkdwn(message.last_time, 400)}")] if message.last_time else [])
    fields = _facts(learned, room)
    after = room.fitting(_after(learned))
    alerts = worst + room.fitting(section(_alert(line)) for line in message.alerts[len(worst) : MAX_ALERTS])
    facts = [_fields(fields[first : first + MAX_FIELDS]) for first in range(0, len(fields), MAX_FIELDS)]
    foot = _foot(message, len(learned.facts) - len(fields), len(message.alerts) - len(alerts))
    return [*top, *cause, *facts, *measured, *after, *alerts, *foot]


def section(text: str) -> Json:
    return {"type": "section", "text": _text(text)}


def small(text: str) -> Json:
    return {"type": "context", "elements": [_text(text)]}


def _text(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def _header(message: Message) -> Json:
    title = cut(one_line(message.title), MAX_HEADER, utf16_units) or f"Incident {message.number}"
    return {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}}


def _state(message: Message, learned: ContextView) -> Iterator[Json]:
    """How bad and since when, in words; then what only helps to talk about it."""
    since = _date(started_at(message))
    if message.firing:
        mark = MARKS.get(message.severity, "⚪")
        parts = [f"{mark} *{mrkdwn(message.severity, 50)}*, {message.state}{_by(message)}", *_counts(message)]
        parts += [f"flapping, {message.flapping}"] if message.flapping else []
        yield section(" · ".join([*parts, f"since {since}"]))
    else:
        over = f"{ENDED} *ended*" if message.informational else "✅ *resolved*"
        parts = [f"{over} after {message.lasted}", *([f"peak {learned.peak}"] if learned.peak else [])]
        acknowledged = [f"acknowledged{_by(message)}"] if message.acknowledged_by else []
        yield section(" · ".join([*parts, *acknowledged, f"was {mrkdwn(message.severity, 50)} since {since}"]))
    yield small(f"Incident {message.number} · {mrkdwn(message.source, 100)}".removesuffix(" · "))


def _by(message: Message) -> str:
    return f" by {mrkdwn(message.acknowledged_by, 100)}" if message.acknowledged_by else ""


def _counts(message: Message) -> list[str]:
    every = message.firing_count + message.resolved_count
    what = "notices" if message.informational else "alerts firing"
    return [f"{message.firing_count} of {every} {what}"] if every > 1 else []


def _date(at: datetime) -> str:
    """The reader's own time zone: https://docs.slack.dev/messaging/formatting-message-text#date-formatting"""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time_secs}}|{at:%Y-%m-%d %H:%M:%S} UTC>"


def _links(message: Message) -> Iterator[Json]:
    """The runbook comes first, in bold: it is what to do first. No other takes the place of the incident's own page."""
    own = link("Incident", message.incident_url)
    shown: list[str] = []
    for each in message.links[:MAX_LINKS]:
        text = link(each.text, each.href)
        if text and sum(map(len, shown)) + len(text) + len(own) < MAX_LINKS_TEXT:
            shown.append(f"*{text}*" if each.text == "Runbook" else text)
    if shown or own:
        yield section(" · ".join([*shown, *([own] if own else [])]))


def _cause(learned: ContextView, room: Room) -> list[Json]:
    if not learned.probably:
        return []
    full, short = (section(f"💡 *Probably:* {mrkdwn(learned.probably, most)}") for most in (600, 200))
    return [*room.fair(full, lambda: short), *room.fitting([small(f"rule: {mrkdwn(learned.rule, 100)}")])]


def _changes(learned: ContextView, room: Room) -> list[Json]:
    if not learned.changes:
        return []
    lines = [f"• {mrkdwn(each.text, 400)} {link('details', each.href)}".rstrip() for each in learned.changes]
    lines += [f"• and {learned.more_changes} more"] if learned.more_changes else []
    shortest = f"• {mrkdwn(learned.changes[0].text, 200)}"
    return room.fair(section("\n".join(["*What changed*", *lines])), lambda: section(f"*What changed*\n{shortest}"))


def _facts(learned: ContextView, room: Room) -> list[Json]:
    """As fields of sections, from the first to the first that does not fit."""
    fields: list[Json] = []
    room.left -= _size(_fields([])) * (1 + min(len(learned.facts), MAX_FACTS) // MAX_FIELDS)
    for fact in learned.facts[:MAX_FACTS]:
        fitting = room.fair(_field(fact), lambda fact=fact: _field(fact, short=True))  # type: ignore[misc]
        if not fitting:
            break
        fields += fitting
    return fields


def _fields(fields: Sequence[Json]) -> Json:
    return {"type": "section", "fields": list(fields)}


def _field(fact: FactLine, *, short: bool = False) -> Json:
    value = f"*{mrkdwn(fact.value, 50)}*" if fact.value else ""
    first = f"{value} {mrkdwn(fact.marked, 200)}".strip()
    more = [cut(fact.parts, 50)] if short and not fact.value else [] if short else [fact.trend, fact.parts, fact.age]
    rest = [mrkdwn(line, 500) for line in more if line]
    return _text("\n".join([f"*{mrkdwn(fact.title, 150)}*", *([first] if first else []), *rest]))


def _measured(learned: ContextView) -> Iterator[Json]:
    if learned.measured_at is None:
        return
    when = f"{learned.when}, " if learned.when else ""
    parts = [f"Measured {when}at {_date(learned.measured_at)}"] if learned.facts else []
    parts += [f"Not known: {mrkdwn('; '.join(learned.unknown), 400)}"] if learned.unknown else []
    if parts:
        yield small(" · ".join(parts))


def _after(learned: ContextView) -> Iterator[Json]:
    """Of an incident that is over: how bad it was, and how it is since; on one line each."""
    if learned.peaks:
        yield small(f"Peak while it fired: {_short(learned.peaks)}")
    if learned.after and learned.after_measured_at is not None:
        yield small(f"After the end, measured at {_date(learned.after_measured_at)}: {_short(learned.after)}")


def _short(facts: Sequence[FactLine]) -> str:
    return mrkdwn(", ".join(f"{fact.title} {fact.value or fact.parts}" for fact in facts[:MAX_AFTER]), 500)


def _worst(line: AlertLine, room: Room) -> list[Json]:
    """Without its description and labels if these would take the facts' place."""
    return room.fair(section(_alert(line)), lambda: section(_alert_name(line, 200)))


def _alert(line: AlertLine) -> str:
    texts = [_alert_name(line, 400), *([mrkdwn(line.description, 500)] if line.description else [])]
    labels = "  ".join(f"{name}={cut(one_line(value), 100)}" for name, value in line.labels.items())
    return "\n".join([*texts, *([f"`{mrkdwn(labels, 500)}`"] if labels.strip() else [])])


def _alert_name(line: AlertLine, limit: int) -> str:
    if line.notice:
        mark = f"{MARKS['info']} reported" if line.status == "firing" else f"{ENDED} ended"
    else:
        mark = "🔴 firing" if line.status == "firing" else "✅ resolved"
    muted = f" ({mrkdwn(line.muted, 200)})" if line.muted else ""
    return f"{mark}{muted} *{mrkdwn(line.name, 150)}* {mrkdwn(line.summary, limit)}".rstrip()


def _foot(message: Message, facts: int, alerts: int) -> list[Json]:
    hidden = message.hidden + alerts
    parts = [_several(facts, "fact"), _several(hidden, "alert")]
    missing = " and ".join(text for text in parts if text)
    parts = [f"{missing} not shown here"] if missing else []
    parts += [f"{_several(message.truncated, 'alert')} left out by the source"] if message.truncated else []
    rest = link("all of it", message.incident_url) if parts and len(message.incident_url or "") < FOOT_ROOM // 2 else ""
    return [small(" · ".join([*parts, *([rest] if rest else [])]))] if parts else []


def _size(piece: Json) -> int:
    return len(json.dumps(piece)) + len(", ")


def _several(count: int, noun: str) -> str:
    return f"{count} more {noun}{'' if count == 1 else 's'}" if count > 0 else ""
