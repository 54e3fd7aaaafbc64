"""Three channels and their routes, for most tests of the store."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity, Claim
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.tree import Route
from bridge.store import (
    Policy,
)
from tests.builders import at

ROUTES = Route(
    notify=("slack",),
    routes=(
        Route(matchers=parse_matchers('severity="critical"'), notify=("pager",)),
        Route(matchers=parse_matchers('severity="warning"'), notify=("mail",)),
    ),
)
POLICY = Policy(
    Rules(),
    ROUTES,
    {
        "pager": ChannelSpec("pager"),
        "slack": ChannelSpec("slack"),
        "mail": ChannelSpec("mail", recipients=("a@x.org", "b@x.org"), edits=False),
    },
)
CHANNELS = ("pager", "slack", "mail")
CAPACITIES = [ChannelCapacity(name, 10, None, 10, 60.0) for name in CHANNELS]


class Clock:
    def __init__(self) -> None:
        self.now = at(1)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


def one(claims: list[Claim]) -> Claim:
    assert len(claims) == 1
    return claims[0]
