"""Time intervals that no route uses, that never come, or that mute a route for ever."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from bridge.config.advice.notes import Notes, texts
from bridge.config.checks import mapping, sequence
from bridge.config.routes import TimeIntervalEntry
from bridge.core.routing.time_intervals import NamedIntervals, muted_by, unmuted_at

_KEYS = ("mute_time_intervals", "active_time_intervals")


def look(notes: Notes) -> None:
    entries = sequence(notes.data.get("time_intervals"))
    used = {name for path, route in notes.routes() for key in _KEYS for _, name in texts(path, route.get(key))}
    known: dict[str, NamedIntervals] = {}
    for index, entry in enumerate(entries):
        name = mapping(entry).get("name")
        if not isinstance(name, str):
            continue
        if name not in used:
            hint = "name it in mute_time_intervals or active_time_intervals of a route, or remove it"
            notes.warn(("time_intervals", index, "name"), f"no route uses the time interval {name!r}", hint)
        read = _read(entry)
        if read is not None:
            known[name] = read
    _for_ever(notes, known)


def _read(entry: Any) -> NamedIntervals | None:
    try:
        return TimeIntervalEntry.model_validate(entry).named()
    except ValidationError:
        return None  # reported as a fault of the file


def _for_ever(notes: Notes, known: dict[str, NamedIntervals]) -> None:
    """Within a year, that is: unmuted_at looks no further."""
    now = notes.now.replace(second=0, microsecond=0)
    for path, route in notes.routes():
        mute, active = (tuple(known[name] for _, name in texts(path, route.get(key)) if name in known) for key in _KEYS)
        if (mute or active) and muted_by(mute, active, now) and unmuted_at(mute, active, now) is None:
            key = _KEYS[0] if mute else _KEYS[1]
            message = "this route is mute for ever: its alerts wait, and no channel is notified of them"
            notes.fault((*path, key), message, "correct the years, months or days of the time interval")
        elif mute and not active and _never(mute, now):
            message = "this never comes, so the route is never mute"
            notes.warn((*path, _KEYS[0]), message, "correct the years, months or days of the time interval")


def _never(mute: tuple[NamedIntervals, ...], now: Any) -> bool:
    """None of them begins within a year: outside them all, and nothing to wait for if they were the only times."""
    return not muted_by(mute, (), now) and unmuted_at((), mute, now) is None
