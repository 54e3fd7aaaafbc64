"""Bridges that ask Alertmanagers often, and how often they did."""

from __future__ import annotations

from collections.abc import Callable

import requests

from tests.end_to_end.machines import Bridge, eventually

QUICK = {"every": "500ms", "after": "2s", "settled": "1s", "timeout": "2s"}


Start = Callable[..., Bridge]


def rounds(bridge: Bridge, outcome: str) -> float:
    """How often all Alertmanagers were asked, with this outcome."""
    lines = requests.get(f"{bridge.url}/metrics", timeout=60).text.splitlines()
    name = f'bridge_reconciler_looks_total{{outcome="{outcome}",source="prod"}} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def await_rounds(bridge: Bridge, outcome: str, times: int) -> None:
    before = rounds(bridge, outcome)
    eventually(lambda: rounds(bridge, outcome) >= before + times)
