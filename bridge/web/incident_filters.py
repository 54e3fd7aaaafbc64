"""The query of GET /api/v1/incidents: which incidents are asked for."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import TypeVar

from flask import Request, abort

from bridge.core.model import Severity, State
from bridge.core.routing.matchers import Matcher, MatcherError, parse_matchers
from bridge.core.views import IncidentFilter

MAX_TEXT = 500
MAX_MATCHERS = 20
NOT_WITH_HELD = ("text", "filter", "severity", "state", "source", "since", "until", "acknowledged_by")
Word = TypeVar("Word", bound=enum.StrEnum)


def filter_of(asked: Request) -> IncidentFilter:
    """Ends the request with 400 for what cannot be understood."""
    since, until = _time(asked, "since"), _time(asked, "until")
    if since is not None and until is not None and since > until:
        abort(400, f"since ({since:%Y-%m-%dT%H:%M:%SZ}) is later than until ({until:%Y-%m-%dT%H:%M:%SZ}): swap them")
    return IncidentFilter(
        text=_text(asked, "text"),
        matchers=_matchers(asked),
        severities=_words(asked, "severity", Severity),
        states=_words(asked, "state", State),
        channel=_text(asked, "channel"),
        source=_text(asked, "source"),
        since=since,
        until=until,
        acknowledged_by=_text(asked, "acknowledged_by"),
    )


def _text(asked: Request, key: str) -> str:
    text = asked.args.get(key, "")
    if len(text) > MAX_TEXT:
        abort(400, f"{key} has {len(text):,} characters, and {MAX_TEXT} are the most")
    return text


def _words(asked: Request, key: str, kind: type[Word]) -> frozenset[Word]:
    found = set()
    for word in asked.args.getlist(key):
        if word not in kind._value2member_map_:
            abort(400, f"{key} must be one of {', '.join(kind)}, but is {word!r:.60}")
        found.add(kind(word))
    return frozenset(found)


def _matchers(asked: Request) -> tuple[Matcher, ...]:
    texts = asked.args.getlist("filter")
    if any(len(text) > MAX_TEXT for text in texts):
        abort(400, f"filter has more than {MAX_TEXT} characters: write it as several")
    try:
        found = tuple(matcher for text in texts for matcher in parse_matchers(text))
    except MatcherError as fault:
        abort(400, f"filter: {fault}")
    if len(found) > MAX_MATCHERS:
        abort(400, f"filter has {len(found)} matchers, and {MAX_MATCHERS} are the most")
    return found


def _time(asked: Request, key: str) -> datetime | None:
    word = asked.args.get(key)
    if not word:
        return None
    try:
        at = datetime.fromisoformat(word)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "; in a URL, + is written %2B" if " " in word else ""
        abort(400, f"{key} must be a time such as 2026-11-23T22:30:00Z, but is {word!r:.60}{hint}")
