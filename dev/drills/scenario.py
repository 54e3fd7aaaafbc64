"""A scenario file: what happened to a service in 25 hours, which alert it fired, and what may be said about it.

Every `ago` is the time before the notification: `11m`, `1h30m`, `0s`. Shares are between 0 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from dev.stack.errors import StackError
from dev.stack.promql import milliseconds

FOLDER = Path(__file__).parent / "scenarios"
HISTORY_SECONDS = 25 * 3600.0
LONGEST_PODS = 24  #: with those that replaced others


def _seconds(written: Any) -> Any:
    if not isinstance(written, str):
        return written
    try:
        seconds = milliseconds(written.removeprefix("-")) / 1000
        return -seconds if written.startswith("-") else seconds
    except StackError as fault:
        raise ValueError(str(fault)) from None


def _regular_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as fault:
        raise ValueError(f"{text!r} is no regular expression: {fault}") from None
    return text


Ago = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=HISTORY_SECONDS)]
When = Annotated[float, BeforeValidator(_seconds), Field(ge=-600, le=HISTORY_SECONDS)]  #: negative: after it
Share = Annotated[float, Field(ge=0, le=1)]
Pattern = Annotated[str, AfterValidator(_regular_expression)]
Pods = Annotated[tuple[Annotated[int, Field(ge=0, lt=LONGEST_PODS)], ...], Field(min_length=1)]
ErrorType = Literal["model_load", "prediction_failed", "timeout"]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Serves(Section):
    """From then on these pods answer with this version; with `restarts` as new processes."""

    version: str
    ago: When = HISTORY_SECONDS
    pods: Pods | None = None
    """All, if not given."""
    restarts: bool = False


class Latency(Section):
    """Of inferences, in seconds: log-normal."""

    median: Annotated[float, Field(gt=0)]
    p95: Annotated[float, Field(gt=0)]


class Phase(Section):
    """What is different from then on, or until then, on some pods, or where a version serves. The last one wins."""

    ago: Ago
    until: When | None = None
    """Not given: it goes on. `-1m` is a minute after the notification."""
    pods: Pods | None = None
    version: str | None = None
    traffic: Annotated[float, Field(ge=0)] | None = None
    """Times the usual requests."""
    failing: dict[ErrorType, Share] | None = None
    stray: dict[ErrorType, Annotated[int, Field(gt=0)]] | None = None
    """Exactly so many failures at the phase's begin, on each of its pods."""
    latency: Latency | None = None
    toxic: Share | None = None
    unusual: Share | None = None
    """The share of texts that the model is unsure of."""
    tokens: Annotated[float, Field(gt=0)] | None = None
    """Of the median text."""
    queue: Annotated[float, Field(gt=0)] | None = None
    """Seconds that the median request waits."""
    in_flight: Annotated[float, Field(ge=0)] | None = None
    memory: tuple[Share, Share] | None = None
    """Of the limit, at the beginning and at the end of the phase."""
    restarts: bool = False
    """The processes begin anew with it, so counters do, too."""
    answers: bool | None = None
    """false: the pod does not answer Prometheus."""
    scraped: bool | None = None
    """false: Prometheus itself did not look."""
    gone: bool | None = None
    """true: there is no such pod, not yet or no more; Prometheus does not know it."""
    model: bool | None = None
    """false: the pod runs without a model."""


class Change(Section):
    """A change event that is posted to the bridge; `ago` is the time that it gives."""

    kind: str
    ago: Ago
    version: str = ""
    previous: str = ""
    service: str = "toxicity-api"
    by: str = ""
    summary: str = ""
    elsewhere: bool = False
    """Of another namespace."""
    late: bool = False
    """Posted only after the alert."""


class Fires(Section):
    """An alert of rules/*.yml, of this namespace; `labels` choose among several."""

    alert: str
    labels: dict[str, str] = {}


class Truth(Section):
    """What may be said. Regular expressions ignore case; the cause line is the sentence and the name of its rule."""

    cause: str
    """What really happened, in one sentence for readers."""
    must: tuple[Pattern, ...] = ()
    """All of these are in a right cause line."""
    must_not: tuple[Pattern, ...] = ()
    """None of these is in a right cause line: wrong culprits."""
    dangerous: tuple[Pattern, ...] = ()
    """In no message at all: it would send the on-call the wrong way."""
    none: Literal["right", "acceptable", "missed"] = "missed"
    """What it counts as when no cause is named."""
    likely: bool = True
    """false: the evidence allows no more than `possible`."""
    said: tuple[Pattern, ...] = ()
    """Facts that belong into the messages beside the cause."""

    @model_validator(mode="after")
    def _judgeable(self) -> Truth:
        if not self.must and self.none == "missed":
            raise ValueError("needs `must`, or `none: right` when no cause can be known")
        return self


class Scenario(Section):
    """The fields of a file; its name is the file's."""

    name: str
    title: str
    namespace: str = ""
    """One of its own that says nothing, if not given."""
    pods: Annotated[int, Field(ge=1, le=LONGEST_PODS)] = 3
    requests: Annotated[float, Field(gt=0)] = 12.0
    """Usual ones a second, of all pods."""
    began: Ago = HISTORY_SECONDS
    """When the service was started for the first time."""
    labelled: bool = True
    """Whether the API's counters have the label `version`."""
    serves: Annotated[tuple[Serves, ...], Field(min_length=1)] = (Serves(version="1.4.0"),)
    """Empty version: an API that does not say which."""
    phases: tuple[Phase, ...] = ()
    changes: tuple[Change, ...] = ()
    fires: Annotated[tuple[Fires, ...], Field(min_length=1)]
    send: Literal["firing", "resolved", "reopened"] = "firing"
    ends: When = -60.0
    """When it resolves, for those of `send` that do."""
    generator_url: bool = True
    long: bool = False
    """Whether the trouble began hours before the notification: then older scrapes are as dense as its onset needs."""
    alone: bool = False
    """In a Prometheus of its own, for alerts about what is absent everywhere."""
    truth: Truth

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.version for each in self.serves))

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        for at, phase in enumerate(self.phases):
            if phase.until is not None and phase.until >= phase.ago:
                raise ValueError(f"phases.{at}: until ({phase.until:g} s) is not after ago ({phase.ago:g} s)")
            if phase.version is not None and phase.version not in self.versions:
                raise ValueError(f"phases.{at}: no pod serves {phase.version!r}")
        for where, pods in [("serves", s.pods) for s in self.serves] + [("phases", p.pods) for p in self.phases]:
            if pods and max(pods) >= self.pods:
                raise ValueError(f"{where}: there is no pod {max(pods)}, only {self.pods}")
        return self


def load(names: Sequence[str] = (), folder: Path = FOLDER) -> list[Scenario]:
    """All, or those of these names. Raises StackError, which names the file and the field."""
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if missing := [name for name in names if name not in files]:
        raise StackError(f"No drill has the name {', '.join(missing)}. There are: {', '.join(files)}.")
    return [read(files[name]) for name in (names or files)]


def read(path: Path) -> Scenario:
    """Raises StackError, which names the file and the field."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise StackError(f"{path.name}: this is no mapping of fields.")
        return Scenario(**{"name": path.stem, **content})
    except yaml.YAMLError as fault:
        raise StackError(f"{path.name}: {fault}") from None
    except ValidationError as fault:
        lines = [f"{path.name}: {'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}" for each in fault.errors()]
        raise StackError("\n".join(lines)) from None
