"""Matchers that say something else than they look like, or that never hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bridge.config.advice.notes import Notes, texts
from bridge.config.advice.severities import look_at_severity
from bridge.config.checks import mapping, sequence
from bridge.config.faults import Path, format_path
from bridge.core.routing.matcher_syntax import SyntaxFault, Term, utf8_terms
from bridge.core.routing.matchers import Matcher, MatcherError, parse_matchers, read_terms

_Placed = tuple[Path, Matcher]
_QUOTES = "'`\u00b4\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"  #: also those that word processors put in


def look(notes: Notes) -> None:
    for path, holder in _holders(notes):
        for here, text in texts((*path, "matchers"), holder.get("matchers")):
            if not notes.is_faulty(here):
                _look_at(notes, here, text)
    for path, holder in _lists(notes):
        _contradictions(notes, _placed(path, holder), [])
    if isinstance(notes.data.get("route"), dict):
        _look_below(notes, ("route",), notes.data["route"], [])
    _heartbeats(notes)


def _holders(notes: Notes) -> Iterator[tuple[Path, dict[str, Any]]]:
    yield from notes.routes()
    yield from _lists(notes)


def _lists(notes: Notes) -> Iterator[tuple[Path, dict[str, Any]]]:
    context = mapping(notes.data.get("context"))
    sections: list[tuple[Path, Any]] = [(("heartbeats",), notes.data.get("heartbeats"))]
    sections += [(("context", key), context.get(key)) for key in ("questions", "distributions", "changes")]
    for section, entries in sections:
        yield from (((*section, index), mapping(entry)) for index, entry in enumerate(sequence(entries)))


def _look_at(notes: Notes, path: Path, text: str) -> None:
    try:
        terms = read_terms(text)
    except MatcherError:
        return  # a fault of the file
    if not terms:
        notes.warn(path, "this says nothing, and holds for every alert", 'write a matcher such as severity="critical"')
    for term in terms:
        surprise = next((each for each in _surprises(term, text) if each), None)
        if surprise is not None:
            notes.warn(path, *surprise)
            return
        if path[0] == "route":
            look_at_severity(notes, path, term)


def _surprises(term: Term, text: str) -> Iterator[tuple[str, str] | None]:
    """What is wrong and what to write, the likeliest mistake first."""
    matcher = Matcher(term.name, term.op, term.value)
    read = f"this is read as {matcher}"
    name, op, value = term.name, term.op, term.value
    yield _if(
        len(value) > 1 and value[0] in _QUOTES and value[-1] in _QUOTES,
        f"{read}: the {' '.join(dict.fromkeys((value[:1], value[-1:])))} are part of the value",
        f'only "double quotes" count: write {name}{op}"{value[1:-1]}"',
    )
    yield _if(
        not term.quoted and value[:1] in ("=", "~", "!"),
        f"{read}: the value begins with {value[:1]}",
        f'write one of = != =~ !~, such as {name}="{value.lstrip("=~! ").strip(chr(34))}"',
    )
    yield _if(
        not term.quoted and re.search(r"\s(\S+\s*[=!]|and\b|or\b|&&|\|\|)", value) is not None,
        f"{read}: all of it is one value",
        'put a comma between two matchers: a="b", c="d"',
    )
    yield _if(
        text.startswith("{") != text.endswith("}"),
        f"{read}: a brace at one end only is left out",
        f'write {{{matcher}}}, or put a value with braces in "double quotes"',
    )
    yield _if(value != value.strip(), f"{read}: there is a space at an end of the value", "remove it")
    yield _if(
        op in ("=", "!=") and re.search(r"\||\.[*+]|^\^|\$$", value) is not None,
        f"{read}: {op} compares the text as it stands, and a label is hardly that",
        f'for a regular expression write {name}{"=~" if op == "=" else "!~"}"{value.strip("^$")}"',
    )
    yield _if(
        op == "=~" and value in (".*", "^.*$"),
        f"{read}: it holds for every alert, with or without the label",
        f'write {name}=~".+" for alerts that have it, or leave it out',
    )
    yield _if(
        _reads_otherwise(text),
        f'{read}: \\n \\" and \\\\ alone are escapes here, as in Alertmanager',
        f'for others put the name in quotes, too: "{name}"{op}"..."; or double the backslash',
    )


def _if(seen: bool, message: str, hint: str) -> tuple[str, str] | None:
    return (message, hint) if seen else None


def _reads_otherwise(text: str) -> bool:
    """Alertmanager calls it a disagreement of its two grammars."""
    try:
        utf8 = tuple(Matcher(term.name, term.op, term.value) for term in utf8_terms(text))
    except (SyntaxFault, MatcherError):
        return False
    return utf8 != parse_matchers(text)


def _placed(path: Path, holder: dict[str, Any]) -> list[_Placed]:
    found: list[_Placed] = []
    for here, text in texts((*path, "matchers"), holder.get("matchers")):
        try:
            found += [(here, matcher) for matcher in parse_matchers(text)]
        except MatcherError:
            continue
    return found


def _look_below(notes: Notes, path: Path, route: dict[str, Any], above: list[_Placed]) -> None:
    own = _placed(path, route)
    if _contradictions(notes, own, above):
        return  # what stands below it is never reached for the same reason
    for index, child in enumerate(sequence(route.get("routes"))):
        _look_below(notes, (*path, "routes", index), mapping(child), [*above, *own])


def _contradictions(notes: Notes, own: list[_Placed], above: list[_Placed]) -> bool:
    """Two that cannot hold at once: the second of them is reported, or the one below."""
    for index, (path, matcher) in enumerate(own):
        for where, other in [*above, *own[:index]]:
            if _excludes(matcher, other) or _excludes(other, matcher):
                place = "in the same list" if where[:-1] == path[:-1] else f"above it, in {format_path(where)}"
                notes.fault(path, f"{matcher} never holds together with {other} {place}", _instead(matcher, other))
                return True
    return False


def _instead(one: Matcher, other: Matcher) -> str:
    if one.op == other.op == "=":
        return f'all must hold; for either of them write {one.name}=~"{other.value}|{one.value}"'
    return "all must hold: remove one of the two"


def _excludes(one: Matcher, other: Matcher) -> bool:
    return one.name == other.name and one.op == "=" and not other.accepts(one.value)


def _heartbeats(notes: Notes) -> None:
    for index, entry in enumerate(sequence(notes.data.get("heartbeats"))):
        path: Path = ("heartbeats", index, "matchers")
        matchers = [matcher for _, matcher in _placed(("heartbeats", index), mapping(entry))]
        if not matchers:
            continue
        swallowed = "they are taken for heartbeats, and open no incident"
        if all(matcher.accepts("") for matcher in matchers):
            message = f"alerts without any of these labels match, too: {swallowed}"
            notes.fault(path, message, 'name the one alert: alertname="Watchdog"')
        elif not any(matcher.name == "alertname" and not matcher.accepts("") for matcher in matchers):
            message = f"alerts of any name match: {swallowed}"
            notes.warn(path, message, 'name the one alert, too: alertname="Watchdog"')
