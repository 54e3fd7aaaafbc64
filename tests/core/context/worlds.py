"""A service of some pods over three hours, as the shipped questions see it: rates of two minutes at each minute.

Times are minutes; the alert fires at 0 unless said otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bridge.core.context.causes import Decision, decide
from bridge.core.context.evidence import Evidence, evidence_of
from bridge.core.context.histories import History
from bridge.core.context.questions import Question
from bridge.core.context.series import Series
from bridge.core.facts import ChangeEvent, Fact, Unit
from tests.builders import at

BEFORE = -180
TICKS = 4  # a minute
MINUTE = timedelta(minutes=1)
Rate = Callable[[float], float]
Points = dict[tuple[str, str], list[tuple[float, float]]]


@dataclass(frozen=True)
class Pod:
    """versions: pairs of a minute and the version from then on. bad: its ratio by minute and version."""

    name: str
    versions: Sequence[tuple[float, str]] = ((-1000, "1.0.0"),)
    bad: Callable[[float, str], float] = lambda minute, version: 0.002
    a_second: Rate = lambda minute: 4.0
    up: Callable[[float], bool] = lambda minute: True
    there: Callable[[float], bool] = lambda minute: True  #: known to Prometheus; what is not has no `up`
    memory: Rate = lambda minute: 0.4
    started: Rate = lambda minute: -1000.0

    def version(self, minute: float) -> str:
        return [name for since, name in self.versions if since <= minute][-1]


@dataclass(frozen=True)
class World:
    pods: Sequence[Pod]
    now: float = 3
    alert: float = 0
    role: str = "failures"  #: of the symptom; empty for none
    since: float = BEFORE  #: when Prometheus began to scrape
    scraped: Callable[[float], bool] = lambda minute: True
    changes: Sequence[ChangeEvent] = ()
    changes_known: bool = True
    facts: Sequence[Fact] = ()
    tokens: Rate = lambda minute: 20.0
    turkish: Rate = lambda minute: 0.02
    labelled: bool = False  #: whether the counters name the version
    about: dict[str, str] = field(default_factory=lambda: {"job": "api"})
    seed: int | None = 7  #: None: exact expectations

    def cases(self) -> list[Evidence]:
        histories = [*self._symptom(), *self._others()]
        return evidence_of(
            self.facts, self.changes, histories, (time(self.alert), time(self.now)), window=timedelta(hours=2),
            changes_known=self.changes_known, alerts=[self.about],
        )  # fmt: skip

    def decision(self) -> Decision:
        return decide(self.cases())

    def minutes(self) -> list[int]:
        return [minute for minute in range(self.first(), int(self.now) + 1) if self.scraped(minute)]

    def first(self) -> int:
        return int(max(BEFORE, self.since)) + 2

    def _symptom(self) -> list[History]:
        if not self.role:
            return []
        chance = random.Random(self.seed)
        bad, every = (
            dict[tuple[str, str], list[tuple[float, float]]](),
            dict[tuple[str, str], list[tuple[float, float]]](),
        )
        for pod in self.pods:
            ticks = {}
            for tick in range((self.first() - 2) * TICKS, int(self.now) * TICKS + 1):
                minute = tick / TICKS
                many = pod.a_second(minute) * 15 if pod.up(minute) and pod.there(minute) else 0.0
                version = pod.version(minute)
                ratio = pod.bad(minute, version)
                drawn = many * ratio if self.seed is None else sum(chance.random() < ratio for _ in range(round(many)))
                ticks[tick] = (version, drawn, many)
            for minute in filter(pod.there, self.minutes()):
                window = [ticks[tick] for tick in range((minute - 2) * TICKS + 1, minute * TICKS + 1)]
                for version in {each[0] for each in window} if self.labelled else {window[-1][0]}:
                    mine = [each for each in window if each[0] == version or not self.labelled]
                    key = (pod.name, version if self.labelled else "")
                    bad.setdefault(key, []).append((seconds(minute), sum(each[1] for each in mine) / 120))
                    every.setdefault(key, []).append((seconds(minute), sum(each[2] for each in mine) / 120))
        question = Question("symptom", "Failed predictions", Unit.RATIO, "x", of="y", role=self.role, bad_above=0.01)
        return [History(question, MINUTE, series(bad), series(every))]

    def _others(self) -> list[History]:
        versions, up, memory, starts = (Points() for _ in range(4))
        load, tokens, texts, turkish = ([] for _ in range(4))
        for minute in self.minutes():
            moment, total = seconds(minute), 0.0
            for pod in self.pods:
                if pod.up(minute) and pod.there(minute):
                    for version in {pod.version(minute - 2), pod.version(minute - 1), pod.version(minute)}:
                        versions.setdefault((pod.name, version), []).append((moment, 1.0))
                    memory.setdefault((pod.name, ""), []).append((moment, pod.memory(minute)))
                    starts.setdefault((pod.name, ""), []).append((moment, seconds(pod.started(minute))))
                    total += pod.a_second(minute)
                if pod.there(minute):
                    up.setdefault((pod.name, ""), []).append((moment, float(pod.up(minute))))
            load.append((moment, total))
            tokens.append((moment, total * self.tokens(minute)))
            texts.append((moment, total))
            turkish.append((moment, total * self.turkish(minute)))
        job = {"job": "api"}
        language = Question("languages", "Texts in", Unit.RATIO, "x", by="language", of="y", role="inputs")
        length = Question("length", "Tokens of a text", Unit.NUMBER, "x", of="y", role="inputs")
        whole = (Series(job, tuple(texts)),)
        return [
            a_history("versions", series(versions)),
            a_history("targets", series(up)),
            a_history("load", (Series(job, tuple(load)),)),
            a_history("starts", series(starts)),
            *([a_history("memory", series(memory))] if not self.role else []),
            History(length, MINUTE, (Series(job, tuple(tokens)),), whole),
            History(language, MINUTE, (Series({**job, "language": "tr"}, tuple(turkish)),), whole),
        ]


def three(**changes: Any) -> list[Pod]:
    return [Pod(f"api-{index}", **changes) for index in range(3)]


def a_history(role: str, parts: tuple[Series, ...]) -> History:
    return History(Question(role, role.capitalize(), Unit.COUNT, "x", role=role), MINUTE, parts)


def series(found: Points) -> tuple[Series, ...]:
    return tuple(
        Series({"job": "api", "pod": pod, **({"version": version} if version else {})}, tuple(points))
        for (pod, version), points in found.items()
    )


def time(minute: float) -> datetime:
    return at(minute * 60)


def seconds(minute: float) -> float:
    return time(minute).timestamp()


def a_change(kind: str, minute: float, version: str = "", previous: str = "", summary: str = "") -> ChangeEvent:
    return ChangeEvent(kind, "api", time(minute), summary or f"{kind} of api", version, previous, "ci")


def from_minute(begin: float, ratio: float, calm: float = 0.002) -> Callable[[float, str], float]:
    return lambda minute, version: ratio if minute >= begin else calm


def of_version(bad: str, ratio: float, calm: float = 0.002) -> Callable[[float, str], float]:
    return lambda minute, version: ratio if version == bad else calm
