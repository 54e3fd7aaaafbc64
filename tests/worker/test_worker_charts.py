"""Pictures never delay a message: a mail may wait within its budget, other channels get them later."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.core.charts.chart import Picture
from bridge.core.facts import ChangeEvent
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Incident, State
from bridge.core.ports import Illustration
from bridge.worker import Setup
from bridge.worker.charts import MOST, Illustrator
from bridge.worker.setup import CurrentSetup
from tests.builders import a_group, an_alert

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DRAWN = Picture("expression", "Errors", "Errors rise", b"png", NOW)
SHOWN = Illustration("Errors", "Errors rise", b"png", None)


class ScriptedMaker:
    """Draws one picture once the gate is open; raises `fault` if there is one."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.gate, self.fault = asyncio.Event(), fault
        self.made: list[int] = []

    async def make(self, incident: Incident, changes: Sequence[ChangeEvent]) -> tuple[Picture, ...]:
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        self.made.append(incident.number)
        return (DRAWN,)

    async def close(self) -> None:
        return


class Thread:
    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.taken: list[tuple[str, Any]] = []

    async def illustrate(self, picture: Illustration, handle: Mapping[str, Any]) -> None:
        if self.fault is not None:
            raise self.fault
        self.taken.append((picture.title, handle["ts"]))


def an_incident(number: int = 1, **alert: Any) -> Incident:
    change = receive(None, a_group(an_alert(**alert)), NOW, Rules(), "u")
    assert change is not None
    return replace(change.incident, number=number)


class Records:
    """Each read of the incident returns the next of `states`."""

    def __init__(self, *states: Incident | None) -> None:
        self.states, self.was_read = list(states), asyncio.Event()

    async def incident(self, number: int) -> Incident | None:
        self.was_read.set()
        return self.states.pop(0) if self.states else None

    async def changes_before(self, incident: Incident) -> Sequence[ChangeEvent]:
        return ()

    async def save_picture(self, number: int, picture: Picture) -> Illustration | None:
        return Illustration(picture.title, picture.alt, picture.png, None)


def an_illustrator(maker: ScriptedMaker | None, records: Records | None = None, *more: Any) -> Illustrator:
    setup = CurrentSetup(Setup({}, {}, None, timedelta(days=90), pictures=maker))  # type: ignore[arg-type]
    return Illustrator(records or Records(), setup, *more)  # type: ignore[arg-type]


def test_a_picture_that_is_not_ready_in_time_is_left_out() -> None:
    async def scenario() -> list[tuple[Illustration, ...]]:
        maker = ScriptedMaker()
        illustrator = an_illustrator(maker)
        illustrator.begin(an_incident())
        late = await illustrator.ready(1, 0.01)
        maker.gate.set()
        in_time = await illustrator.ready(1, 5.0)
        none = await illustrator.ready(2, 5.0)
        await illustrator.close()
        return [late, in_time, none]

    assert asyncio.run(scenario()) == [(), (SHOWN,), ()]


def test_a_thread_gets_its_pictures_later() -> None:
    async def scenario() -> list[tuple[str, Any]]:
        maker, thread = ScriptedMaker(), Thread()
        illustrator = an_illustrator(maker)
        incident = an_incident()
        illustrator.begin(incident)
        illustrator.follow(thread, incident, {"ts": "1.2"})
        before = list(thread.taken)
        maker.gate.set()
        await asyncio.gather(*illustrator._following)
        await illustrator.close()
        return before + thread.taken

    assert asyncio.run(scenario()) == [("Errors", "1.2")]


@pytest.mark.parametrize("maker_fails", [True, False])
def test_a_failure_of_a_picture_is_only_logged(maker_fails: bool) -> None:
    async def scenario() -> tuple[Illustration, ...]:
        maker = ScriptedMaker(RuntimeError("no") if maker_fails else None)
        illustrator, incident = an_illustrator(maker), an_incident()
        illustrator.begin(incident)
        illustrator.follow(Thread(RuntimeError("no")), incident, {"ts": "1"})
        maker.gate.set()
        await asyncio.gather(*illustrator._following)
        found = await illustrator.ready(1, 1.0)
        await illustrator.close()
        return found

    assert asyncio.run(scenario()) == (() if maker_fails else (SHOWN,))


def test_an_incident_is_drawn_once_and_a_storm_not_at_all() -> None:
    async def scenario() -> list[int]:
        maker = ScriptedMaker()
        illustrator = an_illustrator(maker)
        for number in [*range(1, MOST + 30), 1, 2]:
            illustrator.begin(an_incident(number))
        maker.gate.set()
        for number in range(1, MOST + 1):
            await illustrator.ready(number, 5.0)
        illustrator.begin(an_incident(999))
        await illustrator.ready(999, 5.0)
        await illustrator.close()
        return maker.made

    assert asyncio.run(scenario()) == [*range(1, MOST + 1), 999]


def over(number: int = 1) -> Incident:
    return replace(an_incident(number), state=State.RESOLVED, resolved_at=NOW)


def test_an_incident_that_neither_fires_nor_is_resolved_is_not_drawn() -> None:
    async def scenario() -> bool:
        neither = replace(an_incident(ends=5), state=State.OPEN)
        nothing = an_illustrator(ScriptedMaker()).begin(neither)
        return nothing is None and an_illustrator(None).begin(an_incident()) is None

    assert asyncio.run(scenario())


def test_a_resolved_incident_gets_new_pictures_and_the_former_ones_until_then() -> None:
    async def scenario() -> list[Any]:
        maker = ScriptedMaker()
        illustrator = an_illustrator(maker)
        maker.gate.set()
        illustrator.begin(an_incident())
        await illustrator.ready(1, 5.0)
        maker.gate.clear()
        first, again = illustrator.begin(over()), illustrator.begin(over())
        former = await illustrator.ready(1, 0.0)
        maker.gate.set()
        await illustrator.ready(1, 5.0)
        await illustrator.close()
        return [first is again, former, maker.made]

    assert asyncio.run(scenario()) == [True, (SHOWN,), [1, 1]]


def test_an_open_incident_is_drawn_again_less_and_less_often_and_once_more_at_its_end() -> None:
    """Independent of messages, because a channel may send no resolve."""

    async def scenario() -> tuple[list[int], list[float]]:
        maker, pauses = ScriptedMaker(), list[float]()
        records = Records(
            an_incident(),
            an_incident(),
            replace(an_incident(ends=5), state=State.OPEN),
            *[an_incident()] * 60,
            over(),
        )
        maker.gate.set()

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            await asyncio.sleep(0)

        illustrator = an_illustrator(maker, records, pause)
        illustrator.begin(an_incident())
        while records.states:
            await asyncio.sleep(0)
        await illustrator.ready(1, 5.0)
        await asyncio.sleep(0)
        await illustrator.close()
        return maker.made, pauses

    made, pauses = asyncio.run(scenario())
    assert made == [1] * (1 + 2 + 60 + 1)
    assert pauses[0] == 120.0 and pauses == sorted(pauses) and pauses[-1] > 3600


def test_an_incident_that_no_longer_exists_is_not_drawn_again() -> None:
    async def scenario() -> list[int]:
        maker, records = ScriptedMaker(), Records()
        maker.gate.set()

        async def pause(seconds: float) -> None:
            await asyncio.sleep(0)

        illustrator = an_illustrator(maker, records, pause)
        illustrator.begin(an_incident())
        await asyncio.wait_for(records.was_read.wait(), 30)
        await illustrator.ready(1, 5.0)
        await illustrator.close()
        return maker.made

    assert asyncio.run(scenario()) == [1]
