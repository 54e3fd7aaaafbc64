"""Accepting groups: any number of threads hand in, one writer commits whatever has gathered (group commit).

Law: accept() returns only after the commit. A group that the database chokes on fails alone, not its neighbours.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime

import sqlalchemy as sa

from bridge.core.errors import StoreUnavailable
from bridge.core.model import Group
from bridge.core.ports import Accepted
from bridge.store.applying import Policy
from bridge.store.database import transaction
from bridge.store.receiving import receive_groups
from bridge.store.waking import Waker

_Order = tuple[Group, "Future[Accepted]"]


class StoreIntake:
    """See bridge.core.ports.Intake. At most `backlog` groups wait; more is answered StoreUnavailable at once.

    So is everything that comes while one commit has been under way for `stuck_seconds`: senders that wait hold a thread
    each, and the web has other things to answer.
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
    ) -> None:
        self._engine, self._policy, self._clock = engine, policy, clock
        self._batch, self._patience, self._stuck = batch, patience_seconds, stuck_seconds
        self._began: float | None = None  # the commit that is under way
        self._orders: queue.Queue[_Order | None] = queue.Queue(backlog)
        self._waker = Waker(engine)
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._thread.start()

    def accept(self, group: Group) -> Accepted:
        if (began := self._began) is not None and time.monotonic() - began > self._stuck:
            raise StoreUnavailable(f"the database has not answered for {self._stuck:g} s; send it again")
        answer: Future[Accepted] = Future()
        try:
            self._orders.put_nowait((group, answer))
            return answer.result(self._patience)
        except queue.Full:
            raise StoreUnavailable("too many notifications wait for the database; send it again") from None
        except FutureTimeout:
            # It may still be committed; the sender's retry then finds it there and changes nothing.
            raise StoreUnavailable(f"the database took longer than {self._patience:g} s") from None

    def close(self) -> None:
        """Commit what was handed in, then end."""
        self._orders.put(None)
        self._thread.join(timeout=self._patience)

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
            accepted = self._commit([group for group, _ in orders])
        except Exception as fault:  # whatever it is, every waiting sender must hear of it
            self._one_by_one(orders, fault)
            return
        self._waker.after_commit()
        for (_, answer), outcome in zip(orders, accepted, strict=True):
            answer.set_result(outcome)

    def _one_by_one(self, orders: list[_Order], fault: Exception) -> None:
        if len(orders) > 1:
            for order in orders:
                self._store([order])
        elif isinstance(fault, StoreUnavailable):
            orders[0][1].set_exception(fault)
        else:
            orders[0][1].set_exception(StoreUnavailable(f"could not be stored: {type(fault).__name__}"))

    def _commit(self, groups: list[Group]) -> list[Accepted]:
        now, self._began = self._clock(), time.monotonic()
        try:
            with transaction(self._engine) as connection:
                accepted = receive_groups(connection, self._policy(), groups, now)
                self._waker.within(connection)
            return accepted
        finally:
            self._began = None
