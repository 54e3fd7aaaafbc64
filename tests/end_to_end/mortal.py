"""The bridge's two processes, killed by SIGKILL exactly where a test says.

Invariant: nothing in bridge/ knows of this. Store and channels are wrapped where the processes are put together, in a
process that is made for the test; each is killed once for each thing that passes the point, and lives on after that.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa

from bridge.app import web_process, worker_process
from bridge.app.wiring import Observe, worker_setup
from bridge.channels.email.channel import EmailChannel
from bridge.channels.pagerduty.channel import PagerDutyChannel
from bridge.channels.slack.channel import SlackChannel
from bridge.config import Settings
from bridge.core.model import Group
from bridge.core.ports import Accepted, Claim, Outcome, Receipt, Sent
from bridge.rendering.renderer import check_templates
from bridge.store import Policy, StoreDeliveries, StoreIntake, deliveries, intake
from bridge.store.receiving import receive_groups
from bridge.store.settling import Settlements
from bridge.worker import Setup

WEB = ("before commit", "after commit")
WORKER = ("claimed", "before send", "vendor accepted", "before settle", "settling", "settled")
FROZEN = "frozen"  #: only what sends the same bytes again is kept before it is sent

#: Of the shipped routes. Imported here, since a worker would import them after it was forked.
CHANNELS = tuple(each.kind for each in (PagerDutyChannel, SlackChannel, EmailChannel))
list(check_templates(None))  # compiles the built-in ones, for the same reason


@dataclass(frozen=True)
class Life:
    """One process as it is started, and started again. deaths: points, each with the channel that it is about."""

    folder: Path
    environment: Mapping[str, str]
    database: str
    listen: str
    deaths: tuple[tuple[str, str], ...] = ()

    @property
    def died(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("died *"))

    def passes(self, point: str, what: Iterable[tuple[str, object]]) -> None:
        """what: the channels that pass it, each with the revision that it is to show."""
        for channel, revision in what:
            if (point, channel) in self.deaths:
                self._die(f"died {point} {channel} {revision}")

    def _die(self, name: str) -> None:
        try:
            os.close(os.open(self.folder / name, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def live(half: str, life: Life) -> None:
    """What `bridge web` or `bridge worker` does, until it dies."""
    log = os.open(life.folder / f"{half}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(life.environment)
    config = life.folder / "routes.yaml"
    if half == "web":
        _wrap_web(life)
        web_process.run_web(config, life.database, life.listen)
    else:
        _wrap_worker(life)
        worker_process.run_worker(config, life.database)


def _put(module: ModuleType, **things: object) -> None:
    """Replaces what the module knows by these names."""
    for name, thing in things.items():
        assert hasattr(module, name), f"{module.__name__} has no {name}"
        setattr(module, name, thing)


def _wrap_web(life: Life) -> None:
    def receiving(connection: sa.Connection, policy: Policy, groups: Sequence[Group], now: datetime) -> list[Accepted]:
        accepted = receive_groups(connection, policy, groups, now)
        life.passes("before commit", _webhook_of(groups))
        return accepted

    class Intake(StoreIntake):
        def _commit(self, groups: list[Group]) -> list[Accepted]:
            accepted = super()._commit(groups)
            life.passes("after commit", _webhook_of(groups))
            return accepted

    _put(intake, receive_groups=receiving)
    _put(web_process, StoreIntake=Intake)


def _webhook_of(groups: Sequence[Group]) -> list[tuple[str, object]]:
    return [("web", any(alert.firing for alert in group.alerts)) for group in groups]


def _wrap_worker(life: Life) -> None:
    class Deliveries(StoreDeliveries):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self._joined = False
            self._passing: list[tuple[str, Sequence[Claim]]] = []

        @contextmanager
        def together(self) -> Iterator[None]:
            self._joined, self._passing = True, []
            try:
                with super().together():
                    yield
            finally:
                self._joined = False
            self._committed()

        def claim(self, *arguments: Any) -> list[Claim]:
            claims = super().claim(*arguments)
            self._committed("claimed", claims)
            return claims

        def freeze(self, claims: Sequence[tuple[Claim, bytes]]) -> None:
            super().freeze(claims)
            self._committed(FROZEN, [claim for claim, _ in claims])

        def settle(self, settled: Sequence[tuple[Claim, Outcome]], now: datetime) -> None:
            claims = [claim for claim, _ in settled]
            life.passes("before settle", _of(claims))
            super().settle(settled, now)
            self._committed("settled", claims)

        def _committed(self, point: str = "", claims: Sequence[Claim] = ()) -> None:
            """Once it is, which may be together with others."""
            self._passing.append((point, claims))
            if not self._joined:
                passing, self._passing = self._passing, []
                for each, its in passing:
                    life.passes(each, _of(its))

    class Settling(Settlements):
        def write(self) -> None:
            super().write()
            life.passes("settling", _of(claim for claim, outcome in self._outcomes if isinstance(outcome, Sent)))

    def mortal_setup(settings: Settings, observe: Observe) -> Setup:
        return _with_mortal_channels(worker_setup(settings, observe), life)

    _put(deliveries, Settlements=Settling)
    _put(worker_process, StoreDeliveries=Deliveries, worker_setup=mortal_setup)


def _of(claims: Iterable[Claim]) -> list[tuple[str, object]]:
    return [(claim.target.channel, claim.revision) for claim in claims]


def _with_mortal_channels(setup: Setup, life: Life) -> Setup:
    return replace(setup, channels={name: _Channel(each, life) for name, each in setup.channels.items()})


class _Channel:
    """A real channel, whose process may end before its message leaves, or before it knows that it arrived."""

    def __init__(self, real: Any, life: Life) -> None:
        self._real, self._life = real, life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def send(self, composed: Any, message: Any, claim: Claim) -> Receipt:
        self._life.passes("before send", _of([claim]))
        receipt: Receipt = await self._real.send(composed, message, claim)
        self._life.passes("vendor accepted", _of([claim]))
        return receipt
