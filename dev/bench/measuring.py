"""What is measured: ingest, latency, storm and outage. Each on a system that has just been started.

Invariant: every figure is taken, none derived from another run; lost and doubled are counted, never assumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import uvloop

from dev.bench import load
from dev.bench.machines import SYSTEMS, Sinks, System, running_sinks
from dev.bench.usage import cpu_seconds, peak_megabytes, pss_megabytes, sampled_memory

CHANNELS = ("pagerduty", "slack", "email")
STALLED_SECONDS = 20.0
Figures = dict[str, float]
Arrivals = dict[str, dict[str, tuple[float, int]]]
Running = Callable[[Sinks], AbstractContextManager[System]]


@dataclass(frozen=True)
class Size:
    ingest_seconds: float = 5.0
    latency_seconds: float = 15.0
    storm_groups: int = 5000
    outage_seconds: float = 60.0
    waiting: int = 10_000  #: incidents when it is killed
    open_incidents: int = 20_000
    alerts: int = 2000  #: of one incident


QUICK = Size(2.0, 4.0, 500, 10.0, 1000, 2000, 500)


def ingest(name: str, size: Size) -> Figures:
    """Accepted posts, while the notifications of those before are being delivered."""
    return {**_ingest(name, size.ingest_seconds, 1), **_ingest(name, size.ingest_seconds, 20)}


def _ingest(name: str, seconds: float, alerts: int) -> Figures:
    with running_sinks() as sinks, SYSTEMS[name](sinks) as system:
        groups = load.until(time.monotonic() + seconds)
        posted = uvloop.run(load.hammer(system.urls, system.post, groups, alerts))
    accepted = len(posted.acked) - posted.refused
    figures = {
        "posts/s": accepted / posted.seconds,
        "alerts/s": accepted * alerts / posted.seconds,
        "ack p50 ms": percentile(posted.acked, 50) * 1000,
        "ack p99 ms": percentile(posted.acked, 99) * 1000,
        "refused": float(posted.refused),
    }
    return {f"{alerts} a post: {key}": value for key, value in figures.items()}


def latency(name: str, size: Size, per_second: float = 50.0) -> Figures:
    """From the beginning of the post to the vendor's acceptance; the first second only warms up."""
    warm, total = int(per_second), int(per_second * (size.latency_seconds + 1))
    with running_sinks() as sinks, SYSTEMS[name](sinks) as system:
        before = cpu_seconds(*system.pids)
        posted = uvloop.run(load.pace(system.url, system.post, range(total), per_second))
        wait_for(sinks, total)
        used = cpu_seconds(*system.pids) - before
        arrivals: Arrivals = sinks.ask("everything")["arrivals"]
    by_channel = {channel: _took(arrivals, channel, posted, warm) for channel in CHANNELS}
    every = [took for each in by_channel.values() for took in each]
    figures: Figures = {}
    for where, took in {"all": every, **by_channel}.items():
        figures |= {f"{where} p{part} ms": percentile(took, part) * 1000 for part in (50, 99)}
    return figures | {"CPU ms per notification": _each(used, arrivals)} | losses(arrivals, total)


def _took(arrivals: Arrivals, channel: str, posted: load.Posted, warm: int) -> list[float]:
    arrived = arrivals.get(channel, {})
    return [first - posted.sent[int(key)] for key, (first, _) in arrived.items() if int(key) >= warm]


def _each(cpu: float, arrivals: Arrivals) -> float:
    """Milliseconds a notification."""
    return cpu * 1000 / max(1, sum(map(len, arrivals.values())))


def storm(name: str, size: Size) -> Figures:
    return storm_on(SYSTEMS[name], size.storm_groups)


def storm_on(running: Running, groups: int) -> Figures:
    """Everything at once. Memory is that of all processes together, a page that they share counted once."""
    with running_sinks() as sinks, running(sinks) as system:
        before = cpu_seconds(*system.pids)
        with sampled_memory(*system.pids) as memory:
            posted = _post_all(system, groups)
            wait_for(sinks, groups)
        used = cpu_seconds(*system.pids) - before
        arrivals = _settled(sinks)
        memory_after = pss_megabytes(*system.pids)
    figures = {"posted within s": posted.seconds, "ack p99 ms": percentile(posted.acked, 99) * 1000}
    figures |= _speeds(arrivals, posted.began) | {"CPU ms per notification": _each(used, arrivals)}
    figures |= {"PSS MB": memory.peak, "PSS MB idle after": memory_after} | losses(arrivals, groups)
    return figures | {"refused": float(posted.refused)}


def _post_all(system: System, groups: int) -> load.Posted:
    batches = load.in_batches(range(groups), system.groups_per_post)
    return uvloop.run(load.hammer(system.urls, system.post, batches))


def _speeds(arrivals: Arrivals, began: float) -> Figures:
    last = {channel: max(_firsts(arrivals, channel), default=began) - began for channel in CHANNELS}
    figures = {"last delivery s": max(last.values())}
    for channel in CHANNELS:
        figures[f"{channel}/s"] = len(_firsts(arrivals, channel)) / (last[channel] or 1.0)
    return figures | {"delivered/s and channel": sum(figures[f"{channel}/s"] for channel in CHANNELS) / len(CHANNELS)}


def outage(name: str, size: Size) -> Figures:
    """Every vendor refuses everything for a while; new groups at 10 a second go on arriving meanwhile."""
    groups = int(size.outage_seconds * 10)
    with running_sinks() as sinks, SYSTEMS[name](sinks) as system:
        sinks.ask("down")
        uvloop.run(load.pace(system.url, system.post, range(groups), 10))
        up = time.monotonic()
        sinks.ask("up")
        wait_for(sinks, groups, stalled=150.0)
        peak = peak_megabytes(system.pid)
        everything = sinks.ask("everything")
    arrivals: Arrivals = everything["arrivals"]
    figures: Figures = {}
    for channel in CHANNELS:
        figures[f"{channel} drained after s"] = max(_firsts(arrivals, channel), default=up) - up
        refused = len(everything["refused"].get(channel, ()))
        figures[f"{channel} refused calls/s"] = refused / size.outage_seconds
    return figures | losses(arrivals, groups) | {"peak MB": peak}


MEASUREMENTS: dict[str, Callable[[str, Size], Figures]] = {
    "ingest": ingest,
    "latency": latency,
    "storm": storm,
    "outage": outage,
}


def wait_for(sinks: Sinks, groups: int, stalled: float = STALLED_SECONDS) -> None:
    """Until every channel has all groups, or nothing has arrived for long."""
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < stalled:
        counts = sinks.ask("counts")
        if all(counts.get(channel, 0) >= groups for channel in CHANNELS):
            return
        if sum(counts.values()) != seen:
            seen, since = sum(counts.values()), time.monotonic()
        time.sleep(0.1)


def _settled(sinks: Sinks, seconds: float = 2.0) -> Arrivals:
    """Late doubles shall be seen, too."""
    time.sleep(seconds)
    arrivals: Arrivals = sinks.ask("everything")["arrivals"]
    return arrivals


def losses(arrivals: Arrivals, groups: int) -> Figures:
    lost = sum(groups - len(arrivals.get(channel, {})) for channel in CHANNELS)
    doubled = sum(count - 1 for arrived in arrivals.values() for _, count in arrived.values())
    return {"lost": float(lost), "doubled": float(doubled)}


def _firsts(arrivals: Arrivals, channel: str) -> list[float]:
    return [first for first, _ in arrivals.get(channel, {}).values()]


def percentile(values: Iterable[float], part: int) -> float:
    """The nearest rank; not a number when there are none."""
    ordered: Sequence[float] = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * part // 100)] if ordered else float("nan")
