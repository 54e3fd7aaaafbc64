"""The plan of a run: which alerts begin and end, which vendors fail, what is killed. Pure: a seed decides."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TARGETS = ("pagerduty", "slack", "smtp")
VICTIMS = ("web", "worker", "supervisor", "everything", "proxy")
#: Faults of a vendor, each for some seconds, by the sandbox's names: dev/sandbox/faults.py.
HTTP_FAULTS: Sequence[Mapping[str, Any]] = (
    {"kind": "outage"},
    {"kind": "hang"},
    {"kind": "accept_then_reset"},
    {"kind": "malformed", "processed": True},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 500, "processed": True},
    {"kind": "status", "status": 429, "retry_after": 2},
)
SMTP_FAULTS: Sequence[Mapping[str, Any]] = (
    {"kind": "outage"},
    {"kind": "hang"},
    {"kind": "accept_then_reset"},
    {"kind": "smtp_reply", "code": 451},
)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, a group of its own. Seconds after the start; ends is None for one that keeps firing."""

    number: int
    begins: float
    ends: float | None

    @property
    def name(self) -> str:
        return f"Soak{self.number:07d}"


@dataclass(frozen=True, slots=True)
class Fault:
    at: float
    seconds: float
    fault: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kill:
    at: float
    victim: str


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    seconds: float
    alerts: tuple[Alert, ...]
    faults: tuple[Fault, ...]
    kills: tuple[Kill, ...]


def plan_of(seed: int, seconds: float, per_second: float) -> Plan:
    """Alerts come all the time; a vendor fails every 2 s or so, and something is killed every 12 s or so."""
    chance = random.Random(seed)
    return Plan(
        seed,
        seconds,
        tuple(_alerts(chance, seconds, per_second)),
        tuple(_faults(chance, seconds)),
        tuple(Kill(at, chance.choice(VICTIMS)) for at in _moments(chance, seconds, 12.0)),
    )


def _alerts(chance: random.Random, seconds: float, per_second: float) -> Iterator[Alert]:
    for number in range(int(seconds * per_second)):
        begins = number / per_second
        # some end while their beginning is being sent
        ends = begins + (chance.uniform(0, 0.1) if chance.random() < 0.2 else chance.uniform(1, 20))
        yield Alert(number, begins, ends if chance.random() < 0.6 else None)


def _faults(chance: random.Random, seconds: float) -> Iterator[Fault]:
    for at in _moments(chance, seconds, 2.0):
        target = chance.choice(TARGETS)
        fault = chance.choice(SMTP_FAULTS if target == "smtp" else HTTP_FAULTS)
        yield Fault(at, chance.uniform(0.5, 5), {**fault, "target": target})


def _moments(chance: random.Random, seconds: float, every: float) -> Iterator[float]:
    at = chance.uniform(0.5, 1.5) * every
    while at < seconds:
        yield at
        at += chance.uniform(0.5, 1.5) * every
