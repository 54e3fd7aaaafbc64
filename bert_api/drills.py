"""Faults on purpose, so that each alert can be seen and tested: bounded, and each ends by itself.

Invariant: a drill changes what really happens (or, for the memory limit, one reported number), never a rule or an
alert.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MEGABYTE = 1024 * 1024
SHORTEST, USUAL, LONGEST = 1.0, 300.0, 7200.0  # seconds that a drill may last
LEAK_SECONDS = 60.0  # until the whole leak is there: a leak grows


class DrillError(Exception):
    """A drill that cannot be done as asked; its text says what can be."""


@dataclass(frozen=True)
class Kind:
    """`value` names the one number that the drill takes, if any."""

    does: str
    value: str = ""
    usual: float = 0.0
    least: float = 0.0
    most: float = 0.0


KINDS: Mapping[str, Kind] = {
    "slow": Kind("each inference takes this much longer", "seconds", 0.6, 0.01, 5.0),
    "failing": Kind("this share of requests fails inside the model", "share", 0.2, 0.0, 1.0),
    "timeouts": Kind("this share of requests gets no answer in time", "share", 0.2, 0.0, 1.0),
    "unload": Kind("no model is loaded; the end of the drill loads it again"),
    "memory": Kind("this much memory leaks within a minute", "megabytes", 256.0, 1.0, 4096.0),
    "memory-limit": Kind("app_memory_limit_bytes exposes this limit", "megabytes", 512.0, 1.0, 1_000_000.0),
}


@dataclass(frozen=True)
class Running:
    value: float
    began: float
    ends: float


@dataclass
class Drills:
    """What runs now. Also the Faults of the inference queue. The clock counts seconds from anywhere, never back."""

    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    _running: dict[str, Running] = field(default_factory=dict)
    _leak: list[bytes] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, name: str, asked: Mapping[str, Any]) -> None:
        """Raises DrillError. Beginning again replaces what runs."""
        kind = _kind(name)
        allowed = {kind.value, "for_seconds"} - {""}
        if not asked.keys() <= allowed:
            raise DrillError(f"{name} takes {' and '.join(sorted(allowed))}.")
        value = _number(asked, kind.value, kind.usual, kind.least, kind.most) if kind.value else 1.0
        lasts = _number(asked, "for_seconds", USUAL, SHORTEST, LONGEST)
        now = self.clock()
        self._running[name] = Running(value, now, now + lasts)

    def end(self, name: str) -> None:
        """Raises DrillError for an unknown name; ending what does not run is no fault."""
        _kind(name)
        self._running.pop(name, None)
        self.tick()

    def state(self) -> list[dict[str, Any]]:
        return [{"name": name, **_described(kind), **self._progress(name)} for name, kind in KINDS.items()]

    def _progress(self, name: str) -> dict[str, Any]:
        running = self._active(name)
        if running is None:
            return {"active": False}
        return {"active": True, "now": running.value, "ends_in_seconds": round(running.ends - self.clock(), 1)}

    def _active(self, name: str) -> Running | None:
        running = self._running.get(name)
        return running if running and self.clock() < running.ends else None

    def _value(self, name: str) -> float:
        running = self._active(name)
        return running.value if running else 0.0

    def loses(self) -> bool:
        return self.chance() < self._value("timeouts")

    def fails(self) -> bool:
        return self.chance() < self._value("failing")

    def delay_seconds(self) -> float:
        return self._value("slow")

    def unloads(self) -> bool:
        return self._active("unload") is not None

    def memory_limit(self) -> float:
        """In bytes; 0 while the drill does not run."""
        return self._value("memory-limit") * MEGABYTE

    def tick(self) -> None:
        """Called about twice a second: the leak grows, and is freed after its end."""
        with self._lock:
            running = self._active("memory")
            if running is None:
                self._leak.clear()
                return
            grown = min(1.0, (self.clock() - running.began) / LEAK_SECONDS)
            while len(self._leak) < int(running.value * grown):
                self._leak.append(b"\x01" * MEGABYTE)  # zeros would cost no memory before they are written


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise DrillError(f"There is no such drill. There are: {', '.join(KINDS)}.")
    return KINDS[name]


def _described(kind: Kind) -> dict[str, Any]:
    if not kind.value:
        return {"does": kind.does}
    return {"does": kind.does, "takes": kind.value, "usual": kind.usual, "least": kind.least, "most": kind.most}


def _number(asked: Mapping[str, Any], name: str, usual: float, least: float, most: float) -> float:
    value = asked.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise DrillError(f"{name} must be a number from {least:g} to {most:g}.")
    return float(value)
