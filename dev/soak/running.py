"""One run: posts alerts until accepted during the plan's faults, waits for recovery, and counts."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from dev.sandbox.running import RunningSandbox, running_sandbox
from dev.soak.counting import Verdict, verdict
from dev.soak.plan import Alert, Fault, Kill, Plan
from dev.soak.systems import System

Make = Callable[[Path, RunningSandbox], System]
CLIENT_SECONDS = 10.0
#: After the last fault: a limit for a run that does not settle.
MAX_RECOVERY_SECONDS = 900.0
#: A run is over once nothing has changed for so long: with correct results only late duplicates may follow; otherwise a
#: system may send more that does not report whether it has anything left to send.
QUIET_SECONDS = {True: 10.0, False: 45.0}
POLL_SECONDS = 1.0


@dataclass
class Tally:
    """What was done in a run."""

    posts: int = 0
    answered: int = 0
    kills: int = 0
    faults: int = 0
    recovered_seconds: float = 0.0
    accepted: dict[int, bool] = field(default_factory=dict)


def run(make: Make, plan: Plan) -> tuple[Tally, Verdict]:
    """An unsound run keeps its database, its log and the vendors' state for inspection."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    with running_sandbox(history=1_000_000) as sandbox:
        system, tally = make(folder, sandbox), Tally()
        try:
            system.start()
            asyncio.run(_Run(system, sandbox, tally).all(plan))
            found = _recovered(system, sandbox, tally)
            (folder / "vendors.json").write_text(json.dumps(sandbox.state, default=str), encoding="utf-8")
        finally:
            system.stop()
    if found.sound or not system.kept:
        shutil.rmtree(folder)
    else:
        print(f"{found.lost} {found.doubled} {found.wrong}: see {folder}", file=sys.stderr)
    return tally, found


class _Run:
    def __init__(self, system: System, sandbox: RunningSandbox, tally: Tally) -> None:
        self._system, self._sandbox, self._tally = system, sandbox, tally

    async def all(self, plan: Plan) -> None:
        connector = aiohttp.TCPConnector(limit=16)
        timeout = aiohttp.ClientTimeout(CLIENT_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
            await self._ready(http)
            self._began = time.monotonic()
            works = [self._live(http, alert) for alert in plan.alerts]
            works += [self._break(fault) for fault in plan.faults]
            await asyncio.gather(*works, self._kill_all(plan.kills))

    async def _ready(self, http: aiohttp.ClientSession) -> None:
        while True:
            try:
                async with http.get(f"{self._system.url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.1)

    async def _until(self, at: float) -> None:
        await asyncio.sleep(self._began + at - time.monotonic())

    async def _live(self, http: aiohttp.ClientSession, alert: Alert) -> None:
        await self._until(alert.begins)
        began = datetime.now(UTC)
        await self._post(http, self._system.body(alert, began, None))
        self._tally.accepted[alert.number] = True
        if alert.ends is not None:
            await self._until(alert.ends)
            await self._post(http, self._system.body(alert, began, datetime.now(UTC)))
            self._tally.accepted[alert.number] = False

    async def _post(self, http: aiohttp.ClientSession, body: bytes) -> None:
        """Retries until it is accepted, with growing delays, as senders of alerts do."""
        for wait in itertools.chain((0.2, 0.5, 1.0), itertools.repeat(2.0)):
            self._tally.posts += 1
            try:
                async with http.post(self._system.intake, data=body, headers=self._system.headers) as answer:
                    if 200 <= answer.status < 300:
                        self._tally.answered += 1
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(wait)

    async def _break(self, fault: Fault) -> None:
        await self._until(fault.at)
        self._sandbox.fault(**fault.fault)
        self._tally.faults += 1
        await self._until(fault.at + fault.seconds)
        self._sandbox.clear_faults(fault.fault["target"])

    async def _kill_all(self, kills: tuple[Kill, ...]) -> None:
        for kill in kills:
            await self._until(kill.at)
            await asyncio.to_thread(self._system.kill, kill.victim)
            self._tally.kills += 1


def _recovered(system: System, sandbox: RunningSandbox, tally: Tally) -> Verdict:
    """Waits until everything is right and stays so, or nothing changes and nothing is left to send."""
    sandbox.clear_faults()
    began = moved = time.monotonic()
    before, found = sandbox.summary, verdict(sandbox.state, tally.accepted)
    while time.monotonic() - began < MAX_RECOVERY_SECONDS and not _over(system, found, time.monotonic() - moved):
        time.sleep(POLL_SECONDS)
        now = sandbox.summary
        if now != before:
            before, moved = now, time.monotonic()
            found = verdict(sandbox.state, tally.accepted)
            tally.recovered_seconds = moved - began
    return verdict(sandbox.state, tally.accepted)


def _over(system: System, found: Verdict, quiet_seconds: float) -> bool:
    """Quiet for long enough, and either sound or with nothing left to send."""
    return quiet_seconds >= QUIET_SECONDS[found.sound] and (found.sound or system.at_rest())
