"""Texts built without templates, which cannot fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.core.incidents.notices import status_word
from bridge.core.ports import AlertLine
from bridge.rendering.text import cut, one_line
from bridge.rendering.view import MAX_SUMMARY

_NOTICES_OVER = ("Notice ended", "Notices ended")
ALOUD = 160  #: characters; longer ones are tiring by phone, and truncated on a lock screen


def plain_summary(view: Mapping[str, Any]) -> str:
    """A summary for a voice call: `2 of 3 alerts firing: API latency is high`, `Resolved after 12 min: ...`."""
    subject, state = subject_of(view), _state(view)
    text = f"{state}: {one_line(subject)}" if state else one_line(subject)
    causes = view["causes"] if view["firing"] else ()
    fitting = next((f"; {cause}" for cause in causes if len(text) + 2 + len(cause) <= ALOUD), "")
    return cut(text + fitting, MAX_SUMMARY)


def subject_of(view: Mapping[str, Any]) -> str:
    """What a summary is about: the worst alert's own summary, or else a name."""
    lines: tuple[AlertLine, ...] = view["alerts"]
    return str((lines[0].summary or (view["alertname"] and lines[0].name) if lines else "") or view["title"])


def plain_body(view: Mapping[str, Any]) -> str:
    """In the order of the bridge's own template."""
    lines = [view["summary"], "", f"{view['title']} (incident {view['number']}, {view['severity']})"]
    lines += [f"Began: {view['began']}"] if view["began"] else []
    lines += [f"- {fact.title}: {fact.line}" for fact in view["worst"]]
    lines += [f"Where: {view['where']}"] if view["where"] else []
    lines += _cause(view)
    lines += [f"- {change.text}" for change in view["changes"]]
    lines += [f"Last time: {view['last_time']}"] if view["last_time"] else []
    lines += [f"First: {view['first_step']}"] if view["first_step"] else []
    lines += [f"{link.text}: {link.href}" for link in view["links"]]
    lines += [view["incident_url"]] if view["incident_url"] else []
    lines += [f"- {note.actor}: {note.text}" for note in view["notes"]]
    lines += [f"- {fact.title}: {fact.line}" for fact in view["rest"]]
    lines += [f"Measured at {view['measured']}"] if view["measured"] else []
    lines += [
        f"- [{status_word(line.status, notice=line.notice)}] {line.name} {line.summary}".rstrip()
        for line in view["alerts"]
    ]
    lines += [f"({view['hidden']} more alerts are not shown)"] if view["hidden"] else []
    return "\n".join(lines)


def _cause(view: Mapping[str, Any]) -> list[str]:
    lines = [f"{view['cause_word']}: {view['probably']} (rule {view['rule']})"] if view["probably"] else []
    lines += [view["no_cause"]] if view["no_cause"] and not view["informational"] else []
    lines += [f"(not known: {each})" for each in view["unknown"]]
    return [*lines, *([view["no_change"]] if view["no_change"] else [])]


def _state(view: Mapping[str, Any]) -> str:
    firing, every = view["firing_count"], view["firing_count"] + view["resolved_count"]
    by = f", acknowledged by {view['acknowledged_by']}" if view["acknowledged_by"] else ""
    if not view["firing"]:
        peak = f", peak {view['peak']}" if view["peak"] else ""
        over = _NOTICES_OVER[every > 1] if view["informational"] else "Resolved"
        return f"{over} after {view['lasted']}{peak}{by}"
    if view["flapping"]:
        return f"Flapping, {view['flapping']}{by}"
    if view["informational"]:
        return _notices(firing, every, view["acknowledged_by"])
    state = f"{every} alerts firing" if firing == every else f"{firing} of {every} alerts firing"
    return ("Firing" if every == 1 else state) + by


def _notices(current: int, every: int, acknowledged_by: str | None) -> str:
    """`2 of 3 notices, acknowledged by Ana`; a single notice needs no count."""
    counted = "" if every == 1 else f"{every} notices" if current == every else f"{current} of {every} notices"
    by = f"acknowledged by {acknowledged_by}" if acknowledged_by else ""
    text = ", ".join(part for part in (counted, by) if part)
    return text[:1].upper() + text[1:]
