"""What a phone shows of a Slack message without scrolling, each part as blocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bridge.channels.slack.room import Json, Room, section, small
from bridge.channels.slack.text import link, mrkdwn
from bridge.core.ports import Message
from bridge.rendering.context_view import ContextView, FactLine, before_it_fired
from bridge.rendering.places import where_of
from bridge.rendering.text import cut, one_line, utf16_units
from bridge.rendering.view import started_at

MAX_HEADER = 150
MAX_LINKS_TEXT = 2700
MAX_LINKS = 8
ENDED = "⚪"
MARKS = {"critical": "🔴", "warning": "🟠", "unknown": "🟠", "info": "🔵"}


def header(message: Message) -> Json:
    title = cut(one_line(message.title), MAX_HEADER, utf16_units) or f"Incident {message.number}"
    return {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}}


def state(message: Message, learned: ContextView) -> Json:
    """How bad and since when, in words; then what only helps to talk about it."""
    since = _since(message, learned)
    if message.firing:
        mark = MARKS.get(message.severity, "⚪")
        parts = [f"{mark} *{mrkdwn(message.severity, 50)}*, {message.state}{_by(message)}", *_counts(message)]
        parts += [f"flapping, {message.flapping}"] if message.flapping else []
        parts += [since]
    else:
        over = f"{ENDED} *ended*" if message.informational else "✅ *resolved*"
        parts = [f"{over} after {message.lasted}", *([f"peak {learned.peak}"] if learned.peak else [])]
        parts += [f"acknowledged{_by(message)}"] if message.acknowledged_by else []
        parts += [f"was {mrkdwn(message.severity, 50)}", since]
    known = f"incident {message.number} · {mrkdwn(message.source, 100)}".removesuffix(" · ")
    return section(" · ".join([*parts, known]))


def fails(message: Message, learned: ContextView, room: Room) -> list[Json]:
    """What is bad, and where; in short if it would take the place of others."""
    names = [_named(fact, "" if index else learned.when) for index, fact in enumerate(learned.worst)]
    full = [f"{name} {mrkdwn(fact.detail, 400)}".strip() for name, fact in zip(names, learned.worst, strict=True)]
    where = where_of(learned.where, message.alerts)
    place = [f"*Where:* {mrkdwn(where, 300)}"] if where else []
    lines, short = [*full, *place], names or place
    return room.fair(section("\n".join(lines)), lambda: section("\n".join(short))) if lines else []


def cause(message: Message, learned: ContextView, room: Room) -> list[Json]:
    """The cause and how sure it is; or that none was found, and what could not be looked at."""
    if learned.probably:
        full, short = (section(f"💡 *{learned.cause_word}:* {mrkdwn(learned.probably, most)}") for most in (600, 200))
        return room.fair(full, lambda: short)
    searched = learned.no_cause and not message.informational
    found = [section(mrkdwn(learned.no_cause, 500))] if searched else []
    return room.fitting([*found, *([small(missing)] if (missing := not_known(learned)) else [])])


def not_known(learned: ContextView) -> str:
    return f"Not known: {mrkdwn('; '.join(learned.unknown), 400)}" if learned.unknown else ""


def changes(message: Message, learned: ContextView, room: Room) -> list[Json]:
    if not learned.changes:
        searched = learned.no_change and not message.informational
        return room.fitting([section(learned.no_change)] if searched else [])
    lines = [f"{mrkdwn(each.text, 400)} {link('details', each.href)}".rstrip() for each in learned.changes]
    lines += [f"and {learned.more_changes} more"] if learned.more_changes else []
    shortest = mrkdwn(learned.changes[0].text, 200)
    full, short = (section(f"*What changed:* {text}") for text in ("\n".join(lines), shortest))
    return room.fair(full, lambda: short)


def hints(message: Message) -> Iterator[Json]:
    """What happened the last time, and what to do first."""
    lines = [f"*Last time:* {mrkdwn(one_line(message.last_time), 400)}"] if message.last_time else []
    lines += [f"*First step:* {mrkdwn(message.first_step, 400)}"] if message.first_step and message.firing else []
    if lines:
        yield section("\n".join(lines))


def links(message: Message) -> Iterator[Json]:
    """The runbook comes first, in bold: it is what to do first. No other takes the place of the incident's own page."""
    own = link("Incident", message.incident_url)
    shown: list[str] = []
    for each in message.links[:MAX_LINKS]:
        text = link(each.text, each.href)
        if text and sum(map(len, shown)) + len(text) + len(own) < MAX_LINKS_TEXT:
            shown.append(f"*{text}*" if each.text == "Runbook" else text)
    if shown or own:
        yield section(" · ".join([*shown, *([own] if own else [])]))


def date(at: datetime) -> str:
    """The reader's own time zone: https://docs.slack.dev/messaging/formatting-message-text#date-formatting"""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time_secs}}|{at:%Y-%m-%d %H:%M:%S} UTC>"


def _since(message: Message, learned: ContextView) -> str:
    """Since when it fires; and when the trouble began, where that is known."""
    began, fired = learned.onset_at, started_at(message)
    return f"since {date(fired)}" if began is None else f"began {date(began)}, {before_it_fired(began, fired)}"


def _by(message: Message) -> str:
    return f" by {mrkdwn(message.acknowledged_by, 100)}" if message.acknowledged_by else ""


def _counts(message: Message) -> list[str]:
    every = message.firing_count + message.resolved_count
    what = "notices" if message.informational else "alerts firing"
    return [f"{message.firing_count} of {every} {what}"] if every > 1 else []


def _named(fact: FactLine, when: str) -> str:
    parts = [fact.mark, mrkdwn(fact.title, 150), when, f"*{mrkdwn(fact.value, 50)}*" if fact.value else ""]
    return " ".join(part for part in parts if part)
