"""How long a page takes from the webhook's answer to PagerDuty's request, whatever Prometheus does: no more than its
budget longer. Of a bridge that runs, and the first page of one that has just said that it is ready.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
from collections.abc import Iterator

import uvloop

from dev.bench import load
from dev.bench.machines import Sinks, System, running_bridge, running_sinks
from dev.bench.measuring import Figures, losses, percentile, wait_for
from dev.stack.free_port import free_port

PER_SECOND = 5.0
FIRST = 9_000_000  #: number of the first page, which does not count as one of the others
WARM = 5  #: posts that are not counted
STARTS = 5
#: Which Prometheus there is: path of the sink, or how it is not there.
MODES = {
    "not asked": None,
    "well": "well",
    "slow (800 ms)": "slow",
    "hangs": "hang",
    "answers nonsense": "nonsense",
    "refuses connections": "refused",
    "takes no packet": "blackhole",
}


def measure(quick: bool) -> dict[str, Figures]:
    """With the shipped questions, and their default budget of 1.5 s."""
    return {mode: measured(mode, *(1, 20) if quick else (STARTS, 60)) for mode in MODES}


def measured(mode: str, starts: int, pages: int) -> Figures:
    """starts: of new bridges. pages: of the last of them."""
    firsts: list[float] = []
    for left in range(starts, 0, -1):
        with running_sinks() as sinks, _prometheus(MODES[mode], sinks) as url, running_bridge(sinks, url) as system:
            firsts.append(_first(system, sinks))
            figures = _later(system, sinks, pages) if left == 1 else {}
    first = {"first page, median ms": statistics.median(firsts) * 1000, "first page, worst ms": max(firsts) * 1000}
    return {**first, **figures}


def _first(system: System, sinks: Sinks) -> float:
    posted = uvloop.run(load.pace(system.url, system.post, [FIRST], PER_SECOND))
    while not (arrived := sinks.ask("everything")["arrivals"].get("pagerduty")):
        time.sleep(0.02)
    return float(arrived[str(FIRST)][0]) - posted.sent[FIRST] - posted.acked[0]


def _later(system: System, sinks: Sinks, pages: int) -> Figures:
    posted = uvloop.run(load.pace(system.url, system.post, range(pages), PER_SECOND))
    wait_for(sinks, pages + 1)
    arrivals = sinks.ask("everything")["arrivals"]
    answered = {group: posted.sent[group] + took for group, took in zip(range(pages), posted.acked, strict=True)}
    arrived = {int(key): first for key, (first, _) in arrivals["pagerduty"].items()}
    took = [arrived[group] - answered[group] for group in range(WARM, pages) if group in arrived]
    figures = {f"page p{part} ms": percentile(took, part) * 1000 for part in (50, 99)}
    counted = losses(arrivals, pages + 1)
    # Facts that were missing in a message follow later: a second arrival, which is intended.
    return {**figures, "lost": counted["lost"], "completed later": counted["doubled"]}


@contextlib.contextmanager
def _prometheus(how: str | None, sinks: Sinks) -> Iterator[str | None]:
    if how == "refused":
        yield f"http://127.0.0.1:{free_port()}"
    elif how == "blackhole":
        with full_backlog() as port:
            yield f"http://127.0.0.1:{port}"
    else:
        yield how and f"http://127.0.0.1:{sinks.http}/prometheus/{how}"


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port that answers no further connection: the kernel drops their packets, as a firewall does."""
    with contextlib.ExitStack() as opened:
        listening = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = opened.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
