"""The coloured part of a Slack message, as blocks: what is least important goes first when there is no room.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.channels.slack import first_screen
from bridge.channels.slack.first_screen import ENDED, MARKS, date, not_known
from bridge.channels.slack.room import Json, Room, fields_of, section, size_of, small, text_of
from bridge.channels.slack.text import link, mrkdwn
from bridge.core.ports import AlertLine, Message
from bridge.rendering.context_view import ContextView, FactLine, view_of
from bridge.rendering.text import cut, one_line
from bridge.rendering.view import started_at

# Slack counts 12,000 to 13,200 characters over all blocks and says so nowhere: slackapi/bolt-js#2509, #2867.
MAX_BLOCKS_TEXT = 9_500
FOOT_ROOM = 800  #: kept for the line that says what is not shown
MAX_ALERTS = 10
MAX_FACTS = 20
MAX_AFTER = 5
MAX_FIELDS = 10  #: in one section
COLOURS = {"critical": "#c62828", "warning": "#f2a100", "unknown": "#f2a100"}
RESOLVED, INFO, QUIET = "#2e7d32", "#1565c0", "#5f6368"


def attachment_of(message: Message) -> Json:
    colour = COLOURS.get(message.severity, INFO) if message.firing else QUIET if message.informational else RESOLVED
    return {"color": colour, "fallback": mrkdwn(message.summary, 500) or "Alert", "blocks": blocks_of(message)}


def blocks_of(message: Message) -> list[Json]:
    """The first screen of a phone, then what else is bad, and the alerts; the thread has what is not.

    Room is given by importance: state, links, the worst alert, what fails, cause, changes, other bad facts and alerts.
    """
    learned = view_of(message.context, started_at(message), message.component)
    room = Room(MAX_BLOCKS_TEXT - FOOT_ROOM)
    top = room.fitting([first_screen.header(message), first_screen.state(message, learned)])
    links, measured = room.fitting(first_screen.links(message)), room.fitting(_measured(learned))
    alert = [piece for line in message.alerts[:1] for piece in _worst(line, room)]
    fails, cause = first_screen.fails(message, learned, room), first_screen.cause(message, learned, room)
    changes, hints = first_screen.changes(message, learned, room), room.fitting(first_screen.hints(message))
    bad = learned.bad[len(learned.worst) :] if fails else learned.bad
    fields = _facts(bad, room)
    after = room.fitting(_after(learned))
    alerts = alert + room.fitting(section(_alert(line)) for line in message.alerts[len(alert) : MAX_ALERTS])
    facts = [fields_of(fields[first : first + MAX_FIELDS]) for first in range(0, len(fields), MAX_FIELDS)]
    foot = _foot(message, len(bad) - len(fields), len(message.alerts) - len(alerts))
    return [*top, *fails, *cause, *changes, *hints, *links, *facts, *measured, *after, *alerts, *foot]


def _facts(facts: Sequence[FactLine], room: Room) -> list[Json]:
    """As fields of sections, from the first to the first that does not fit."""
    fields: list[Json] = []
    room.left -= size_of(fields_of([])) * (1 + min(len(facts), MAX_FACTS) // MAX_FIELDS)
    for fact in facts[:MAX_FACTS]:
        fitting = room.fair(_field(fact), lambda fact=fact: _field(fact, short=True))  # type: ignore[misc]
        if not fitting:
            break
        fields += fitting
    return fields


def _field(fact: FactLine, *, short: bool = False) -> Json:
    value = f"*{mrkdwn(fact.value, 50)}*" if fact.value else ""
    first = f"{value} {mrkdwn(fact.marked, 200)}".strip()
    more = [cut(fact.parts, 50)] if short and not fact.value else [] if short else [fact.trend, fact.parts, fact.age]
    rest = [mrkdwn(line, 500) for line in more if line]
    return text_of("\n".join([f"*{mrkdwn(fact.title, 150)}*", *([first] if first else []), *rest]))


def _measured(learned: ContextView) -> Iterator[Json]:
    if learned.measured_at is not None and (learned.facts or learned.unknown):
        when = f"{learned.when}, " if learned.when else ""
        rule = [f"rule: {mrkdwn(learned.rule, 100)}"] if learned.rule else []
        missing = [not_known(learned)] if learned.unknown and learned.probably else []  # else the first screen has it
        yield small(" · ".join([f"Measured {when}at {date(learned.measured_at)}", *rule, *missing]))


def _after(learned: ContextView) -> Iterator[Json]:
    """Of an incident that is over: how bad it was, and how it is since; on one line each."""
    if learned.peaks:
        yield small(f"Peak while it fired: {_short(learned.peaks)}")
    if learned.after and learned.after_measured_at is not None:
        yield small(f"After the end, measured at {date(learned.after_measured_at)}: {_short(learned.after)}")


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


def _several(count: int, noun: str) -> str:
    return f"{count} more {noun}{'' if count == 1 else 's'}" if count > 0 else ""
