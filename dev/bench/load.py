"""Posts alerts, as fast as some clients can or at a steady pace, and notes how long each answer took."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson

Poster = Callable[[list[int], int], bytes]
JSON = {"Content-Type": "application/json"}


@dataclass
class Posted:
    """`sent` has when each group's post began, and `acked` how long its answer took, in seconds."""

    began: float = 0.0
    ended: float = 0.0
    sent: dict[int, float] = field(default_factory=dict)
    acked: list[float] = field(default_factory=list)
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)  #: how, and how often

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def webhook(groups: list[int], alerts: int) -> bytes:
    """What Alertmanager posts to a webhook for one group."""
    (group,) = groups
    name = label(group)
    listed = [_alert(group, number) for number in range(alerts)]
    document: dict[str, Any] = {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{name}"}}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "bench",
        "groupLabels": {"alertname": name},
        "commonLabels": {"alertname": name, "severity": "critical"},
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
        "alerts": [{"status": "firing", "endsAt": "0001-01-01T00:00:00Z", **alert} for alert in listed],
    }
    return orjson.dumps(document)


def api_v2(groups: list[int], alerts: int) -> bytes:
    """What Prometheus posts to Alertmanager."""
    return orjson.dumps([_alert(group, number) for group in groups for number in range(alerts)])


def label(group: int) -> str:
    return f"Bench{group:07d}"


def _alert(group: int, number: int) -> dict[str, Any]:
    return {
        "labels": {
            "alertname": label(group),
            "severity": "critical",
            "service": "toxicity-api",
            "job": "toxicity-api",
            "namespace": "ml",
            "cause": "errors",
            "instance": f"10.0.0.{number}:9100",
        },
        "annotations": {"summary": "Error ratio is 7 % over the last 5 minutes"},
        "startsAt": datetime.now(UTC).isoformat(),
        "generatorURL": "http://127.0.0.1:9090/graph?g0.expr=up",
    }


def session(clients: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=clients), headers=JSON, timeout=aiohttp.ClientTimeout(60)
    )


async def hammer(
    urls: tuple[str, ...],
    make: Poster,
    batches: Iterable[list[int]],
    alerts: int = 1,
    clients: int = 64,
) -> Posted:
    """Every client posts its next batch of groups as soon as the last was answered. urls: clients take them in turn."""
    posted, work, turns = Posted(time.monotonic()), iter(batches), itertools.cycle(urls)
    async with session(clients) as http:
        await asyncio.gather(*(_client(http, next(turns), make, work, alerts, posted) for _ in range(clients)))
    posted.ended = time.monotonic()
    return posted


async def _client(
    http: aiohttp.ClientSession,
    url: str,
    make: Poster,
    work: Iterator[list[int]],
    alerts: int,
    posted: Posted,
) -> None:
    for groups in work:
        await _post(http, url, groups, make(groups, alerts), posted)


async def pace(url: str, make: Poster, groups: Iterable[int], per_second: float) -> Posted:
    """One post of one alert at each tick, however slow the answers are."""
    posted, tasks = Posted(time.monotonic()), []
    async with session(0) as http:
        for number, group in enumerate(groups):
            await asyncio.sleep(posted.began + number / per_second - time.monotonic())
            tasks.append(asyncio.create_task(_post(http, url, [group], make([group], 1), posted)))
        await asyncio.gather(*tasks)
    posted.ended = time.monotonic()
    return posted


async def _post(
    http: aiohttp.ClientSession,
    url: str,
    groups: list[int],
    body: bytes,
    posted: Posted,
) -> None:
    start = time.monotonic()
    posted.sent.update(dict.fromkeys(groups, start))
    try:
        async with http.post(url, data=body) as answer:
            await answer.read()
            fault = "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        fault = type(error).__name__
    posted.acked.append(time.monotonic() - start)
    posted.refused += bool(fault)
    posted.faults.update([fault] if fault else [])


def in_batches(groups: Iterable[int], size: int) -> list[list[int]]:
    remaining = iter(groups)
    return list(iter(lambda: list(itertools.islice(remaining, size)), []))


def until(end: float, first: int = 0) -> Iterator[list[int]]:
    """New groups, one at a time, until the clock says so."""
    for group in itertools.count(first):
        if time.monotonic() >= end:
            return
        yield [group]
