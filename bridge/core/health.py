"""Whether the bridge is healthy, judged from what its store says. Pure.

Invariant: what is not known is not fine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bridge.core.views import Health

WORKER_SILENT = 30.0  #: seconds
LEASE_STUCK = timedelta(minutes=5)  #: after its end; any worker takes such a delivery within seconds


@dataclass(frozen=True, slots=True)
class Check:
    ok: bool
    why: str


def readiness(health: Health | None, overdue: timedelta, refused: str = "") -> dict[str, Check]:
    """Without health, the store did not answer. refused: why what comes in cannot be stored."""
    store = _store(health, refused)
    if health is None:
        unknown = Check(False, "unknown: the store did not answer")
        return {"store": store, "worker": unknown, "overdue": unknown}
    return {
        "store": store,
        "worker": _worker(health.worker_seen_seconds),
        "overdue": _overdue(health, overdue.total_seconds()),
    }


def audit(health: Health | None, overdue: timedelta, refused: str = "") -> dict[str, Check]:
    """readiness(), and what a frequent probe leaves out. refused: what the store said to a write that was tried."""
    return {**readiness(health, overdue, refused), "leases": _leases(health)}


def faults(checks: Mapping[str, Check]) -> str:
    """What is wrong, in one line; empty when nothing is."""
    return "; ".join(f"{name}: {check.why}" for name, check in checks.items() if not check.ok)


def _store(health: Health | None, refused: str) -> Check:
    if refused:
        return Check(False, f"the store cannot be written: {refused}")
    if health is None:
        return Check(False, "the store did not answer: is the database up, and its disk not full?")
    return Check(True, "answers, and can be written")


def _worker(seen: float | None) -> Check:
    if seen is None:
        return Check(False, "no worker has ever run: start `bridge worker`, or `bridge serve` for both halves")
    if seen >= WORKER_SILENT:
        return Check(False, f"no worker has been seen for {seen:.0f} s: messages wait; look at the worker's log")
    return Check(True, f"seen {seen:.0f} s ago")


def _overdue(health: Health, limit: float) -> Check:
    late = {channel: seconds for channel, seconds in health.overdue_seconds.items() if seconds >= limit}
    if not late:
        return Check(True, f"nothing is late by {limit:.0f} s")
    names = ", ".join(_late(channel, late[channel], health) for channel in sorted(late))
    return Check(False, f"messages are late: {names}")


def _late(channel: str, seconds: float, health: Health) -> str:
    paused, alone = health.paused.get(channel), health.alone.get(channel, 0)
    why = [f"paused: {paused}"] if paused else []
    why += [f"{alone} fail{'s' if alone == 1 else ''} while others get through"] if alone else []
    return f"{channel} by {seconds:.0f} s" + (f" ({'; '.join(why)})" if why else "")


def _leases(health: Health | None) -> Check:
    if health is None:
        return Check(False, "unknown: the store did not answer")
    limit, expired = LEASE_STUCK.total_seconds(), health.expired_lease_seconds
    stuck = {channel: seconds for channel, seconds in expired.items() if seconds >= limit}
    if not stuck:
        return Check(True, "none is stuck")
    names = ", ".join(f"{channel} for {seconds:.0f} s" for channel, seconds in sorted(stuck.items()))
    return Check(False, f"a message is with a worker that is gone, and none takes it: {names}")
