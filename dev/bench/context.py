"""How long a page takes while Prometheus is well, slow, silent, wrong or gone: no more than the budget longer."""

from __future__ import annotations

import uvloop

from dev.bench import load
from dev.bench.machines import Sinks, running_bridge, running_sinks
from dev.bench.measuring import Figures, losses, percentile, wait_for
from dev.stack.free_port import free_port

PER_SECOND = 5.0
WARM = 5  #: posts that are not counted
MODES = ("not asked", "well", "slow (400 ms)", "hangs", "answers nonsense", "not there")


def measure(quick: bool) -> dict[str, Figures]:
    """From the post to PagerDuty's acceptance, with the default budget of 1.5 s."""
    return {mode: _measured(mode, 20 if quick else 60) for mode in MODES}


def _measured(mode: str, groups: int) -> Figures:
    with running_sinks() as sinks, running_bridge(sinks, _prometheus(mode, sinks)) as system:
        posted = uvloop.run(load.pace(system.url, system.post, range(groups), PER_SECOND))
        wait_for(sinks, groups)
        arrivals = sinks.ask("everything")["arrivals"]
    took = [first - posted.sent[int(key)] for key, (first, _) in arrivals["pagerduty"].items() if int(key) >= WARM]
    figures = {f"page p{part} ms": percentile(took, part) * 1000 for part in (50, 99)}
    counted = losses(arrivals, groups)
    # Facts that were missing in a message follow later: a second arrival, which is intended.
    return {**figures, "lost": counted["lost"], "completed later": counted["doubled"]}


def _prometheus(mode: str, sinks: Sinks) -> str | None:
    if mode == "not asked":
        return None
    if mode == "not there":
        return f"http://127.0.0.1:{free_port()}"
    path = {"slow (400 ms)": "slow", "hangs": "hang", "answers nonsense": "nonsense"}.get(mode, "well")
    return f"http://127.0.0.1:{sinks.http}/prometheus/{path}"
