"""The shape of `context` in routes.yaml: what is asked of Prometheus, and what tells of changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from bridge.config.fields import Duration, LabelName, Line, MatcherText, PromQL, Section, Url
from bridge.core.facts import Unit


class PrometheusServer(Section):
    """Prometheus, or what speaks its API: Thanos, Mimir, Google's managed service."""

    url: Url
    name: Line = "Prometheus"
    headers: dict[Line, Line] = Field(default={})
    token: SecretStr | None = None
    token_file: Line | None = None


class QuestionEntry(Section):
    """One thing to ask about an incident. The order of the questions is their importance."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
    title: Line
    unit: Unit
    expr: PromQL
    by: LabelName | None = None
    usual: PromQL | None = None
    of: PromQL | None = None
    ago: tuple[Duration, ...] = ()
    bad_above: float | None = None
    bad_below: float | None = None
    bad_times_usual: Annotated[float, Field(gt=0)] | None = None
    bad_unless_all: bool = False
    matchers: tuple[MatcherText, ...] = ()
    role: Literal[
        "errors_by_version", "errors_by_pod", "pods_by_version", "pods_up", "pods_failing", "version_began",
        "traffic", "saturation", "drift", "peak", "",
    ] = ""  # fmt: skip


class ChangeRuleEntry(Section):
    """Which alerts tell of a change, and where they name its version and service."""

    matchers: Annotated[tuple[MatcherText, ...], Field(min_length=1)]
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]
    version_label: LabelName = "version"
    service_label: LabelName | None = None


class DistributionEntry(Section):
    """A histogram that is drawn against what it is compared with."""

    title: Line
    unit: Unit
    now: PromQL
    baseline: PromQL
    baseline_bound: LabelName = "le"
    now_name: Line = "now"
    baseline_name: Line = "training"
    matchers: tuple[MatcherText, ...] = ()


class Context(Section):
    """What is asked about an incident before it is told; never for longer than the budget."""

    prometheus: PrometheusServer
    budget: Duration = timedelta(seconds=1.5)
    query_timeout: Duration = timedelta(seconds=1)
    shared_for: Duration = timedelta(seconds=5)
    window: Duration = timedelta(hours=2)
    labels: tuple[LabelName, ...] = ("namespace", "job")
    questions: tuple[QuestionEntry, ...] = ()
    changes: tuple[ChangeRuleEntry, ...] | None = None
    pictures: bool = True
    distributions: tuple[DistributionEntry, ...] = ()
