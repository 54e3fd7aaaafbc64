"""Asks a model its golden texts over HTTP, at each of its addresses.

Invariant: nothing raises for what a server does or fails to do; no text of the golden set, and nothing that an answer
says beyond its version, gets into a reason, a log line or an error; only configured addresses are asked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from bridge.config.secret_files import UnreadableSecret
from bridge.core.context.enrichment import Answer, Failure, Query
from bridge.core.context.golden_set import MOST_OCTETS, GoldenFault, GoldenSet, GoldenText, golden_set
from bridge.core.context.probe import HEADER, WITHOUT_TOKEN, Answered, Probe, Target, TargetAnswer, Unanswered
from bridge.core.context.questions import expression
from bridge.outbound.http import REDIRECTS, CallFailed, HttpClient, Oversized, TimedOut

MOST_TARGETS = 20
MOST_ANSWER = 2**20  #: octets of one answer; 32 verdicts of the bundled API are less than 8 kB
AT_ONCE = 4
_INSTANCE = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,63}")


class Instances(Protocol):
    """Who knows the addresses: Prometheus."""

    async def query(self, query: Query, timeout_seconds: float) -> Answer: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Fields:
    """The names in a request and its answer; see ProbeAnswerSettings."""

    texts: str = "texts"
    answers: str = "predictions"
    label: str = "label"
    confidence: str = "confidence"
    version: str = "model_version"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How a model is asked. Seconds for the times; headers and tokens are read for each probe."""

    probe: Probe
    golden: Path
    urls: tuple[str, ...] = ()
    instances: str | None = None
    allowed: str | None = None
    scheme: str = "http"
    path: str = "/predict"
    headers: Callable[[], Mapping[str, str]] = field(default=lambda: {HEADER: WITHOUT_TOKEN})
    batch: int = 32
    budget: float = 10.0
    timeout: float = 5.0
    fields: Fields = Fields()
    scope: tuple[str, ...] = ()  #: the labels by which an incident's instances are chosen


class GoldenProbe:
    """One model's. Make and use it inside the running loop."""

    def __init__(self, endpoint: Endpoint, instances: Instances | None = None) -> None:
        """instances: needed when the endpoint names some."""
        self._endpoint, self._instances = endpoint, instances
        self._http = HttpClient(connections=AT_ONCE, most=MOST_ANSWER)
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def probe(self) -> Probe:
        return self._endpoint.probe

    def golden(self) -> GoldenSet:
        """Read anew each time, for it may be replaced while the bridge runs. Blocks. Raises GoldenFault."""
        try:
            with self._endpoint.golden.open("rb") as file:
                content = file.read(MOST_OCTETS + 1)
        except OSError as fault:
            raise GoldenFault(f"{self._endpoint.golden.name}: {fault.strerror or type(fault).__name__}") from None
        if len(content) > MOST_OCTETS:
            raise GoldenFault(f"{self._endpoint.golden.name}: it has more than {MOST_OCTETS // 1024} KiB")
        return golden_set(content)

    async def targets(self, labels: Mapping[str, str]) -> tuple[Target, ...]:
        """labels: those that all alerts of the incident share; of the scope, an instance may differ in none.

        Without an answer about instances, what is configured.
        """
        found = {url: Target(_host(url), url + self._endpoint.path) for url in self._endpoint.urls}
        if self._endpoint.instances is not None and self._instances is not None:
            expr = expression(self._endpoint.instances, labels, self._endpoint.scope)
            if expr is not None:
                answer = await self._instances.query(Query(expr), self._endpoint.timeout)
                for sample in () if isinstance(answer, Failure) else answer:
                    target = self._target(sample.labels, labels)
                    if target is not None:
                        found[target.url] = target
        return tuple(sorted(found.values(), key=lambda each: (each.name, each.url)))[:MOST_TARGETS]

    async def ask(self, targets: Sequence[Target], golden: GoldenSet) -> list[TargetAnswer]:
        """All of the texts, at each target; in the order of the targets, and within the budget."""
        return await self._each(targets, golden, golden.texts)

    async def versions(self, targets: Sequence[Target], golden: GoldenSet) -> list[TargetAnswer]:
        """With one text: which version answers at each target."""
        return await self._each(targets, golden, golden.texts[:1])

    async def close(self) -> None:
        await self._http.close()
        if self._instances is not None:
            await self._instances.close()

    def _target(self, instance: Mapping[str, str], wanted: Mapping[str, str]) -> Target | None:
        """None for an address that may not be asked, or of another service."""
        address = instance.get("instance", "")
        if not _INSTANCE.fullmatch(address) or not re.fullmatch(self._endpoint.allowed or "", address):
            return None
        if any(instance.get(name) not in (None, wanted[name]) for name in self._endpoint.scope if wanted.get(name)):
            return None
        return Target(instance.get("pod") or address, f"{self._endpoint.scheme}://{address}{self._endpoint.path}")

    async def _each(
        self, targets: Sequence[Target], golden: GoldenSet, texts: Sequence[GoldenText]
    ) -> list[TargetAnswer]:
        try:
            headers = {"Content-Type": "application/json", **self._endpoint.headers()}
        except (UnreadableSecret, OSError, ValueError) as fault:
            return [Unanswered(each.name, f"no token: {type(fault).__name__}") for each in targets]
        tasks = [asyncio.create_task(self._asked(each, golden, texts, headers)) for each in targets]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=self._endpoint.budget)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        late = f"no answer within {self._endpoint.budget:g} s"
        return [_result(each, task, late) for each, task in zip(targets, tasks, strict=True)]

    async def _asked(
        self, target: Target, golden: GoldenSet, texts: Sequence[GoldenText], headers: Mapping[str, str]
    ) -> TargetAnswer:
        verdicts: list[tuple[str, float | None]] = []
        versions: set[str] = set()
        async with self._slots:
            for start in range(0, len(texts), self._endpoint.batch):
                part = texts[start : start + self._endpoint.batch]
                answer = await self._batch(target.url, part, headers, golden.labels)
                if isinstance(answer, str):
                    return Unanswered(target.name, answer)
                verdicts += answer[0]
                versions.add(answer[1])
        if len(versions) > 1:
            return Unanswered(target.name, "its version changed meanwhile")
        wrong = sum(label != each.label for (label, _), each in zip(verdicts, texts, strict=True))
        said = [confidence for _, confidence in verdicts if confidence is not None]
        mean = sum(said) / len(said) if len(said) == len(verdicts) else None
        return Answered(target.name, versions.pop(), wrong, len(texts), mean)

    async def _batch(
        self, url: str, texts: Sequence[GoldenText], headers: Mapping[str, str], labels: frozenset[str]
    ) -> tuple[list[tuple[str, float | None]], str] | str:
        """The verdicts and the version; or why there are none."""
        body = orjson.dumps({self._endpoint.fields.texts: [each.text for each in texts]})
        try:
            answer = await self._http.call("POST", url, self._endpoint.timeout, headers=headers, body=body)
        except TimedOut:
            return f"no answer within {self._endpoint.timeout:g} s"
        except Oversized:
            return "an answer of more than 1 MiB"
        except CallFailed as fault:
            return fault.detail
        if answer.status in REDIRECTS:
            return f"HTTP {answer.status}, which is not followed"
        if answer.status != 200:
            return f"HTTP {answer.status}"
        return read(answer.body, self._endpoint.fields, len(texts), labels)


def read(
    body: bytes, fields: Fields, count: int, labels: frozenset[str]
) -> tuple[list[tuple[str, float | None]], str] | str:
    """Of an answer: labels with confidences, and the version; or what is wrong with it."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "an answer that is not JSON"
    answers = document.get(fields.answers) if isinstance(document, dict) else None
    if not isinstance(answers, list) or len(answers) != count:
        return f"an answer without {count} {fields.answers}"
    verdicts = [_verdict(each, fields) for each in answers]
    found = [each for each in verdicts if each is not None]
    if len(found) != count:
        return f"a verdict without {fields.label}"
    if any(label not in labels for label, _ in found):
        return "a label that no golden text has"
    version = document.get(fields.version)
    return found, version if isinstance(version, str) and _VERSION.fullmatch(version) else ""


def _result(target: Target, task: asyncio.Task[TargetAnswer], late: str) -> TargetAnswer:
    """A fault of ours shows its kind alone, for its text could repeat a golden text."""
    if task.cancelled():
        return Unanswered(target.name, late)
    fault = task.exception()
    return task.result() if fault is None else Unanswered(target.name, type(fault).__name__)


def _verdict(answer: Any, fields: Fields) -> tuple[str, float | None] | None:
    if not isinstance(answer, dict) or not isinstance(answer.get(fields.label), str):
        return None
    said = answer.get(fields.confidence)
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= 1:
        return answer[fields.label], None
    return answer[fields.label], float(said)


def _host(url: str) -> str:
    """Without a password that a URL may have."""
    return urlsplit(url).netloc.rpartition("@")[2]
