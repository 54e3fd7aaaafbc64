"""Routes that notify the same channel again, or none."""

from __future__ import annotations

from typing import Any

from bridge.config.advice.notes import Notes, texts
from bridge.config.checks import mapping, sequence
from bridge.config.faults import Path


def look(notes: Notes) -> None:
    route = notes.data.get("route")
    if isinstance(route, dict):
        _look_below(notes, ("route",), route, {})


def _look_below(notes: Notes, path: Path, route: dict[str, Any], above: dict[str, Any]) -> None:
    """above: what the parent gives to its routes."""
    inherited = {key: route[key] if key in route else above.get(key) for key in ("notify", "fallback", "escalate")}
    for key in ("notify", "fallback"):
        _twice(notes, (*path, key), route.get(key))
    _fallback(notes, path, route, inherited)
    _escalation(notes, path, route, inherited)
    for index, child in enumerate(sequence(route.get("routes"))):
        _look_below(notes, (*path, "routes", index), mapping(child), inherited)


def _twice(notes: Notes, path: Path, names: Any) -> None:
    seen: set[str] = set()
    for here, name in texts(path, names):
        if name in seen:
            notes.warn(here, f"{name} is in the list already", "remove one of the two")
        seen.add(name)


def _fallback(notes: Notes, path: Path, route: dict[str, Any], given: dict[str, Any]) -> None:
    fallback, notify = _names(given["fallback"]), _names(given["notify"])
    if not fallback or not fallback <= notify:
        return
    where = "fallback" if "fallback" in route else "notify"
    if where in route:  # else it is the parent's fault, and is said there
        message = f"the fallback {_list(fallback)} is notified anyway, so it can never stand in for another channel"
        notes.fault((*path, where), message, "name another channel in fallback, or write fallback: []")


def _escalation(notes: Notes, path: Path, route: dict[str, Any], given: dict[str, Any]) -> None:
    if "escalate" not in route:
        return
    earlier, because = _names(given["notify"]), "from the start"
    for index, step in enumerate(sequence(route["escalate"])):
        here, names = (*path, "escalate", index, "notify"), _names(mapping(step).get("notify"))
        if str(mapping(step).get("after")) in ("0", "0s"):
            notes.warn((*path, "escalate", index, "after"), "a step at once", "put these channels into notify instead")
        if names and names <= earlier:
            message = f"{_list(names)} is notified {because}: this step is a reminder there and reaches no new channel"
            notes.warn(here, message, "name a channel that reaches another responder")
        earlier, because = earlier | names, "by then"


def _names(value: Any) -> set[str]:
    return {name for name in sequence(value) if isinstance(name, str)}


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))
