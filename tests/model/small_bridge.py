"""The bridge on one database file: its own store, core, channels and rendering, driven step by step by a given clock.

Only processes are missing: a web process that dies is a transaction that is rolled back, or a response that is lost;
a worker that dies leaves its work unfinished.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bridge.core.delivery.dead_letters import DeadLetterFilter
from bridge.core.delivery.retries import decide as decide_again
from bridge.core.errors import SendError
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec, Group, Incident
from bridge.core.ports import Begun, Channel, ChannelCapacity, Claim, Outcome, Sent
from bridge.core.reconciliation import AlertmanagerState, GracePeriods, decide
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.tree import Escalation, Route
from bridge.rendering.renderer import Renderer
from bridge.store import (
    Policy,
    StoreActions,
    StoreDeadLetters,
    StoreDeliveries,
    StoreEscalations,
    StoreIntake,
    StoreReader,
    StoreReconciliation,
)
from bridge.store.database import transaction
from bridge.store.receiving import receive_groups
from tests.model.alertmanager import SEVERITIES
from tests.model.small_vendors import done

#: Severity -> channels, in each configuration that may be loaded.
ROUTES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "shipped": {"critical": ("pager",), "warning": ("mail",), "info": ("slack",)},
    "all": dict.fromkeys(SEVERITIES, ("pager", "slack", "mail")),
    "moved": {"critical": ("mail", "slack"), "warning": ("pager",), "info": ()},
    "guarded": {"critical": ("pager",), "warning": ("slack",), "info": ("slack",)},
}
SPECS = {
    "pager": ChannelSpec("pager"),
    "slack": ChannelSpec("slack"),
    "mail": ChannelSpec("mail", recipients=("ml@example.org",), edits=False),
}
CAPACITIES = [
    ChannelCapacity("pager", 2, 2.0, 2, 60.0),
    ChannelCapacity("slack", 2, 1.0, 1, 60.0),
    ChannelCapacity("mail", 2, None, 1, 60.0),
]
RULES = Rules(acknowledge_for=timedelta(hours=2))


def policy_of(name: str) -> Policy:
    guard: dict[str, Any] = {}
    if name == "guarded":
        escalate = (Escalation(timedelta(minutes=10), ("mail",)),)
        guard = {"fallback": ("mail",), "fallback_after": timedelta(minutes=2), "escalate": escalate}
    routes = tuple(
        Route(matchers=parse_matchers(f'severity="{severity}"'), notify=ROUTES[name][severity], **guard)
        for severity in SEVERITIES
    )
    return Policy(RULES, Route(notify=(), routes=routes), SPECS)


class Death(enum.Enum):
    """Where a worker is killed, if it is."""

    NEVER = "never"
    CLAIMED = "claimed"
    FROZEN = "frozen"
    SENT = "sent"
    SETTLED = "settled"


class Killed(Exception):
    """The process was killed."""


class SmallBridge:
    def __init__(self, engine: sa.Engine, channels: Mapping[str, Channel], clock: Callable[[], datetime]) -> None:
        self._engine, self._channels, self._clock = engine, channels, clock
        self._policies = {name: policy_of(name) for name in ROUTES}
        self.loaded = "shipped"
        self._intake = StoreIntake(engine, self.policy, clock)
        self._actions = StoreActions(engine, self.policy)
        self._letters = StoreDeadLetters(engine)
        self._reconciling = StoreReconciliation(engine, self.policy, "me")
        self.reader = StoreReader(engine)
        self._renderer = Renderer(None, None)
        self._workers = 0
        self._start_worker(freed=False)

    def policy(self) -> Policy:
        return self._policies[self.loaded]

    def close(self) -> None:
        self._intake.close()

    def _start_worker(self, *, freed: bool) -> None:
        """A new worker; freed: on the same host as the previous one, whose leases it releases at once."""
        self._workers += 1
        self._store = StoreDeliveries(self._engine, f"worker{self._workers}")
        self._store.end_pauses()
        if freed:
            self._store.release_dead_leases("host", lambda pid: False, self._clock())
        self._store.alive(f"host {self._workers}", self._clock(), self._clock())
        self._escalations = StoreEscalations(self._engine, self.policy)
        self._absent_since: Mapping[str, datetime] = {}

    def accept(self, group: Group, *, dies: str = "") -> bool:
        """Whether the sender received a 2xx."""
        if dies != "before commit":
            self._intake.accept(group)
            return not dies
        with suppress(Killed), transaction(self._engine) as connection:
            receive_groups(connection, self.policy(), [group], self._clock())
            raise Killed
        return False

    def acknowledge(self, number: int) -> None:
        self._actions.acknowledge(number, "ada", self._clock())

    def resolve(self, number: int) -> None:
        self._actions.resolve(number, "ada", self._clock())

    def replay(self, number: int) -> None:
        self._letters.replay(DeadLetterFilter(number), self._clock())

    def reload(self, name: str) -> None:
        self.loaded = name
        self._store.end_pauses()

    def watch(self) -> None:
        self._escalations.watch(self._clock())

    def reconcile(self, state: AlertmanagerState) -> None:
        before, now = self._reconciling.unresolved("prod"), self._clock()
        decision = decide(before, [state], self._absent_since, now, GracePeriods(), verified=True)
        self._absent_since = decision.absent_since
        self._reconciling.write(decision.findings, now)

    def work(
        self, death: Death = Death.NEVER, *, freed: bool = True, meanwhile: Callable[[], object] = lambda: None
    ) -> int:
        """One round of the worker, as in bridge.worker.loop; returns how many deliveries it claimed.

        meanwhile: runs after they are claimed and before any of them is sent.
        """
        claims = self._store.claim(CAPACITIES, self._clock())
        meanwhile()
        try:
            if claims:
                self._deliver(claims, death)
        except Killed:
            self._start_worker(freed=freed)
        return len(claims)

    def _deliver(self, claims: Sequence[Claim], death: Death) -> None:
        _killed_if(death is Death.CLAIMED)
        settled = [(claim, self._attempt(claim, death)) for claim in claims]
        _killed_if(death is Death.SENT)
        self._store.settle(settled, self._clock())
        _killed_if(death is Death.SETTLED)

    def _attempt(self, claim: Claim, death: Death) -> Outcome:
        channel = self._channels[claim.target.channel]
        message = self._renderer.message(claim.incident, claim, claim.news, html=False)
        composed = channel.compose(message, claim)
        if composed.frozen is not None:
            self._store.freeze([(claim, composed.frozen)])
            _killed_if(death is Death.FROZEN)
        try:
            receipt = done(channel.send(composed, message, claim))
        except SendError as error:
            return decide_again(error, claim, self._clock(), 0.5)
        return Begun(receipt.handle) if receipt.unfinished else Sent(receipt.handle, receipt.note)

    def pending(self) -> datetime | None:
        """When the next delivery is due; None when nothing waits."""
        return self._store.next_due(self._clock(), list(SPECS))

    def newest(self, group: str) -> Incident | None:
        every = [each for each in self.reader.list_incidents(limit=1000) if each.group_key == group]
        newest = max((each.number for each in every), default=0)
        return self.reader.incident(newest) if newest else None

    def numbers(self) -> list[int]:
        return [each.number for each in self.reader.list_incidents(limit=1000)]


def _killed_if(now: bool) -> None:
    if now:
        raise Killed
