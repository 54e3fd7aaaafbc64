"""Accepting groups: any number of threads hand in, one writer commits whatever has gathered (group commit).

Invariant: what is handed in is answered only after the commit. A group that the database chokes on fails alone, not its
neighbours.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime

import sqlalchemy as sa

from bridge.core.errors import StoreDown, StoreRefused, StoreUnavailable
from bridge.core.model import Group
from bridge.core.ports import Accepted, WebhookOutcome
from bridge.store.applying import Policy
from bridge.store.database import transaction
from bridge.store.receiving import receive_groups
from bridge.store.tables import alert, delivery, event, incident, outside_ping
from bridge.store.waking import Waker

_Order = tuple[Group | None, "Future[Accepted]"]  #: None: only find out whether something can be stored
_TRIED = Accepted(0, WebhookOutcome.IGNORED)  #: its result is not read


class StoreIntake:
    """See bridge.core.ports.Intake. At most `backlog` groups wait; more is answered StoreUnavailable at once.

    So is everything that comes while one commit has been under way for `stuck_seconds`: it would only wait as well.
    """

    def __init__(
        self,
        engine: sa.Engine,
        policy: Callable[[], Policy],
        clock: Callable[[], datetime],
        *,
        backlog: int = 2000,
        batch: int = 200,
        patience_seconds: float = 20.0,
        stuck_seconds: float = 5.0,
        fresh_seconds: float = 5.0,
        refusal_seconds: float = 30.0,
    ) -> None:
        """fresh_seconds: so long a commit vouches for the next. refusal_seconds: so long a small write does not make up
        for a webhook that could not be stored, which may have been larger.
        """
        self._engine, self._policy, self._clock = engine, policy, clock
        self._batch, self._patience, self._stuck = batch, patience_seconds, stuck_seconds
        self._began: float | None = None  # the commit that is under way
        self._stored_at = -math.inf
        self._refused_at, self._refusal = -math.inf, ""  # the last webhook that was not stored, and why
        self._trouble = ""  # why the last commit failed
        self._fresh, self._remembered = fresh_seconds, refusal_seconds
        self._trial: Future[Accepted] | None = None
        self._trials = threading.Lock()
        self._orders: queue.SimpleQueue[_Order | None] = (
            queue.SimpleQueue()
        )  # a Queue costs its users ten times as much
        self._backlog = backlog
        self._waker = Waker(engine)
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._thread.start()

    def hand_in(self, group: Group) -> Future[Accepted]:
        """See bridge.core.ports.Intake."""
        if self._is_stuck():
            raise StoreUnavailable(f"the database has not answered for {self._stuck:g} s; send it again")
        if self._orders.qsize() >= self._backlog:
            raise StoreUnavailable("too many notifications wait for the database; send it again")
        answer: Future[Accepted] = Future()
        self._orders.put((group, answer))
        return answer

    def accept(self, group: Group) -> Accepted:
        """Hand in and wait for the commit. Raises StoreUnavailable."""
        try:
            return self.hand_in(group).result(self._patience)
        except FutureTimeout:
            raise StoreUnavailable(f"the database took longer than {self._patience:g} s") from None

    def fault(self, seconds: float) -> str:
        """See bridge.core.ports.Intake. The last commit decides; without a recent one, a small one is tried."""
        if self._is_stuck():
            return self._told() or f"a commit has been under way for more than {self._stuck:g} s"
        if time.monotonic() - self._stored_at >= self._fresh:
            try:
                self._try().result(seconds)
            except FutureTimeout:
                return self._told() or f"a small write takes longer than {seconds:g} s"
            except StoreUnavailable as fault:
                return str(fault)
        return self._told()

    def _told(self) -> str:
        """Why the last commit failed, or a webhook's shortly before."""
        return self._trouble or (self._refusal if time.monotonic() - self._refused_at < self._remembered else "")

    def close(self) -> None:
        """Commit what was handed in, then end."""
        self._orders.put(None)
        self._thread.join(timeout=self._patience)

    def _is_stuck(self) -> bool:
        return (began := self._began) is not None and time.monotonic() - began > self._stuck

    def _try(self) -> Future[Accepted]:
        """One is under way for all who ask."""
        with self._trials:
            if self._trial is None or self._trial.done():
                trial: Future[Accepted] = Future()
                self._orders.put((None, trial))
                self._trial = trial
            return self._trial

    def _run(self) -> None:
        while (first := self._orders.get()) is not None:
            orders = [first]
            ended = False
            while len(orders) < self._batch and not ended:
                try:
                    more = self._orders.get_nowait()
                except queue.Empty:
                    break
                ended = more is None
                orders += [] if more is None else [more]
            self._store(orders)
            if ended:
                return

    def _store(self, orders: list[_Order]) -> None:
        try:
            accepted = iter(self._commit([group for group, _ in orders if group is not None]))
        except StoreDown as fault:
            self._refuse(orders, fault)
        except Exception as fault:  # whatever it is, every waiting sender gets it
            self._one_by_one(orders, fault)
        else:
            self._waker.after_commit()
            for group, answer in orders:
                answer.set_result(_TRIED if group is None else next(accepted))

    def _one_by_one(self, orders: list[_Order], fault: Exception) -> None:
        if len(orders) > 1:
            for order in orders:
                self._store([order])
        elif isinstance(fault, StoreUnavailable):
            self._refuse(orders, fault)
        else:
            self._refuse(orders, StoreRefused(f"could not be stored: {type(fault).__name__}"))

    def _refuse(self, orders: list[_Order], fault: StoreUnavailable) -> None:
        if not isinstance(fault, StoreRefused):
            self._trouble, self._stored_at = str(fault), -math.inf
            if any(group is not None for group, _ in orders):
                self._refused_at, self._refusal = time.monotonic(), str(fault)
        for _, answer in orders:
            answer.set_exception(fault)

    def _commit(self, groups: list[Group]) -> list[Accepted]:
        now, self._began = self._clock(), time.monotonic()
        try:
            with transaction(self._engine) as connection:
                accepted = (
                    receive_groups(connection, self._policy(), groups, now) if groups else _touch(connection, now)
                )
                self._waker.within(connection)
        finally:
            self._began = None
        self._stored_at, self._trouble = time.monotonic(), ""
        if groups:
            self._refused_at = -math.inf
        return accepted


def _touch(connection: sa.Connection, now: datetime) -> list[Accepted]:
    """A write that reaches the disk, waits for what a webhook would wait for, and changes nothing.

    No other connection sees the row, whose id no ping has.
    """
    for table in (incident, alert, event, delivery):
        key = table.c.number if table is incident else table.c.incident_number
        connection.execute(sa.delete(table).where(key == 0))  # numbers begin at 1
    connection.execute(sa.insert(outside_ping).values(id=0, due_at=now))
    connection.execute(sa.delete(outside_ping).where(outside_ping.c.id == 0))
    return []
