"""One bridge on one database, at any time that a test sets."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from bridge.core.incidents.transitions import Rules
from bridge.core.model import Alert, ChannelSpec, State
from bridge.core.ports import ChannelCapacity, Claim, Outcome, Sent
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.tree import Escalation, Route
from bridge.store import (
    Policy,
    StoreActions,
    StoreDeliveries,
    StoreEscalations,
    StoreIntake,
    StoreReader,
    open_database,
)
from bridge.store.tables import timer
from tests.builders import a_group

STEP = Escalation(timedelta(minutes=10), ("slack",))
CRITICAL = Route(parse_matchers('severity="critical"'), ("pager",), fallback=("mail",), escalate=(STEP,))
CHANNELS = {name: ChannelSpec(name, edits=name != "mail") for name in ("pager", "mail", "slack", "boss")}
POLICY = Policy(Rules(), Route(notify=("boss",), routes=(CRITICAL,)), CHANNELS)
CAPACITIES = [ChannelCapacity(name, 100, None, 1, 60.0) for name in CHANNELS]
NOTIFIED_SLACK = "#1: not acknowledged within 10 min: notified slack too"


class Machine:
    """One bridge on one database, at any time that the test sets."""

    def __init__(self, url: str) -> None:
        self.engine, self.policy = open_database(url), POLICY
        self.store, self.reader = StoreDeliveries(self.engine), StoreReader(self.engine)
        self.actions = StoreActions(self.engine, lambda: self.policy)
        self.escalations = self.worker()

    def worker(self) -> StoreEscalations:
        return StoreEscalations(self.engine, lambda: self.policy)

    def accept(self, now: datetime, *alerts: Alert, key: str = "k") -> int:
        intake = StoreIntake(self.engine, lambda: self.policy, lambda: now)
        number = intake.accept(a_group(*alerts, key=key)).number
        intake.close()
        return number

    def claim(self, now: datetime) -> dict[str, Claim]:
        return {claim.target.channel: claim for claim in self.store.claim(CAPACITIES, now)}

    def send(self, now: datetime, **outcomes: Outcome) -> set[str]:
        """Settles every due delivery with its outcome, or as sent; returns the channels."""
        claims = self.claim(now)
        self.store.settle([(claim, outcomes.get(name, Sent({}))) for name, claim in claims.items()], now)
        return set(claims)

    def state(self, number: int = 1) -> State:
        found = self.reader.incident(number)
        assert found is not None
        return found.state

    def timers(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(timer)) or 0
