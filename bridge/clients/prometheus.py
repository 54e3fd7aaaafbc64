"""Instant and range queries over HTTP: https://prometheus.io/docs/prometheus/latest/querying/api/

Prometheus, Thanos, Mimir and Google's managed endpoint differ in URL, headers and token only.
Invariant: a query never raises for what a server does or fails to do; it returns a Failure that says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

from bridge.config.secret_files import UnreadableSecret
from bridge.core.context.enrichment import Answer, Failure, Query, Sample
from bridge.core.context.series import RangeQuery, Series
from bridge.outbound.http import MAX_ANSWER, CallFailed, HttpClient, Oversized, TimedOut
from bridge.rendering.text import cut, one_line

MAX_SAMPLES = 10_000
MAX_POINTS = 100_000  # of all the series of one range query
LATEST = 253402300800.0  # Unix seconds of the year 10000, which no datetime holds
SILENT = "does not answer"
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Server:
    """Its address. `token` is read for each query, for it may change while the bridge runs."""

    url: str  #: up to, and without, /api/v1/query
    headers: Mapping[str, str] = field(default_factory=dict)
    token: Callable[[], str] | None = None
    name: str = "Prometheus"


class TooMuch(str):
    """How much an answer has, when that is more than is read: `more than 100,000 points`."""


class Prometheus:
    """One server, over kept connections. Make and use it inside the running loop."""

    def __init__(self, server: Server, clock: Callable[[], datetime], *, connections: int = 8) -> None:
        self._server, self._clock = server, clock
        self._http = HttpClient(connections=connections)

    @property
    def name(self) -> str:
        return self._server.name

    async def query(self, query: Query, timeout_seconds: float) -> Answer:
        form = {"query": query.expr, "time": _timestamp(self._clock() - query.ago)}
        return await self._within("query", form, timeout_seconds, samples_of, "no vector")

    async def query_range(self, query: RangeQuery, timeout_seconds: float) -> tuple[Series, ...] | Failure:
        form = {
            "query": query.expr,
            "start": _timestamp(query.span.start),
            "end": _timestamp(query.span.end),
            "step": f"{query.step.total_seconds():.3f}",
        }
        return await self._within("query_range", form, timeout_seconds, series_of, "no matrix")

    async def close(self) -> None:
        await self._http.close()

    async def _within(
        self,
        endpoint: str,
        form: dict[str, str],
        timeout_seconds: float,
        read: Callable[[Any], tuple[Read, ...] | TooMuch | None],
        missing: str,
    ) -> tuple[Read, ...] | Failure:
        """missing: what is said when read() finds nothing that it knows."""
        url = f"{self._server.url.rstrip('/')}/api/v1/{endpoint}"
        # in seconds without a unit: Prometheus takes 0.5 and 500ms, and refuses 0.5s
        form = {**form, "timeout": f"{timeout_seconds:.3f}"}
        try:
            answer = await self._http.call("POST", url, timeout_seconds, headers=self._headers(), body=form)
        except TimedOut:
            return Failure(f"{self.name} {SILENT} within {timeout_seconds:.1f} s")
        except Oversized:
            return Failure(f"{self.name} answered with more than {MAX_ANSWER // 2**20} MiB: aggregate it", silent=False)
        except CallFailed as fault:
            return Failure(f"{self.name} {SILENT} ({fault.detail})")
        except UnreadableSecret as fault:
            return Failure(f"{self.name} is not asked: no token ({fault})")
        except (OSError, ValueError) as fault:  # of the token's file
            return Failure(f"{self.name} {SILENT} ({type(fault).__name__})")
        data = self._data(answer.status, answer.body)
        if isinstance(data, Failure):
            return data
        found = read(data)
        if isinstance(found, TooMuch):  # the query is at fault, and not the server
            return Failure(f"{self.name} answered with {found}: aggregate it", silent=False)
        return found if found is not None else Failure(f"{self.name} {SILENT} as it should ({missing})")

    def _headers(self) -> dict[str, str]:
        token = self._server.token() if self._server.token else ""
        return {**self._server.headers, **({"Authorization": f"Bearer {token}"} if token else {})}

    def _data(self, status: int, body: bytes) -> Any | Failure:
        """The answer's `data`."""
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            return Failure(f"{self.name} {SILENT} as it should (HTTP {status}, no JSON)")
        if status != 200 or not isinstance(document, dict) or document.get("status") != "success":
            return self._refusal(status, document)
        return document.get("data")

    def _refusal(self, status: int, document: Any) -> Failure:
        reason = one_line(document.get("error", "")) if isinstance(document, dict) else ""
        if status in (400, 422) and reason:
            return Failure(cut(f"{self.name} refuses the query: {reason}", 200), silent=False)
        return Failure(f"{self.name} {SILENT} (HTTP {status})")


def samples_of(data: Any) -> tuple[Sample, ...] | TooMuch | None:
    """Of an instant vector or a scalar; None for anything else."""
    if not isinstance(data, dict):
        return None
    result = data.get("result")
    if data.get("resultType") == "scalar":
        result = [{"metric": {}, "value": result}]
    elif data.get("resultType") != "vector":
        return None
    if not isinstance(result, list):
        return None
    if len(result) > MAX_SAMPLES:
        return TooMuch(f"more than {MAX_SAMPLES:,} samples")
    samples = [_sample(each) for each in result]
    return tuple(sample for sample in samples if sample is not None) if None not in samples else None


def _sample(element: Any) -> Sample | None:
    try:
        at, value = element["value"]
        labels = {str(name): str(text) for name, text in element["metric"].items()}
        number = float(value)
        return Sample(labels, math.inf if math.isnan(number) else number, datetime.fromtimestamp(float(at), UTC))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return None


def series_of(data: Any) -> tuple[Series, ...] | TooMuch | None:
    """Of a range query's matrix; None for anything else. Native histograms are no lines and are left out."""
    if not isinstance(data, dict) or data.get("resultType") != "matrix" or not isinstance(data.get("result"), list):
        return None
    found, points = [], 0
    for element in data["result"]:
        if isinstance(element, dict) and "histograms" in element and "values" not in element:
            continue
        series = _series(element)
        points += len(series.points) + 1 if series else 0
        if series is None:
            return None
        if points > MAX_POINTS:
            return TooMuch(f"more than {MAX_POINTS:,} points")
        found.append(series)
    return tuple(found)


def _series(element: Any) -> Series | None:
    try:
        labels = {str(name): str(text) for name, text in element["metric"].items()}
        points = tuple((float(at), float(value)) for at, value in element["values"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None
    return Series(labels, points) if all(abs(at) < LATEST for at, _ in points) else None


def _timestamp(at: datetime) -> str:
    return f"{at.timestamp():.3f}"
