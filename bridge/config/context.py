"""The settings of `context`: what is asked of Prometheus, and what announces changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from bridge.config.fields import (
    FROZEN,
    Duration,
    LabelName,
    Line,
    Matchers,
    PromQL,
    SecretFile,
    Section,
    SomeMatchers,
    Url,
    Written,
)
from bridge.config.probe import ProbeSettings
from bridge.core.changes import CHANGE_RULES, ChangeRule
from bridge.core.context.questions import DistributionQuestion, Question
from bridge.core.facts import Unit


class PrometheusSettings(Section):
    """Prometheus, or what speaks its API: Thanos, Mimir, Google's managed service."""

    url: Url
    """Up to, and without, /api/v1/query."""
    name: Line = "Prometheus"
    """What messages call it."""
    headers: Annotated[Mapping[Line, Line], FROZEN] = Field(default={}, validate_default=True)
    """Sent with each query, such as X-Scope-OrgID."""
    token: SecretStr | None = None
    """A bearer token: ${NAME} of a variable."""
    token_file: SecretFile | None = None
    """Instead: a file with the token, read for each query."""


class QuestionSettings(Section):
    """One thing to ask about an incident. The order of the questions is their importance."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
    """How it is named in logs and metrics: small letters, digits and _."""
    title: Line
    """What messages call the answer."""
    unit: Unit
    """How the number is written."""
    expr: PromQL
    """The PromQL; {{ labels }}, "{{ labels.NAME }}", [{{ duration }}] and [{{ window }}] are filled in."""
    by: LabelName | None = None
    """The label that the answer is broken down by; the largest five parts are shown."""
    usual: PromQL | None = None
    """PromQL of what is usual."""
    of: PromQL | None = None
    """PromQL of the whole that the answer is a part of, shown as 2 of 3; with `by`, of each part's own."""
    ago: tuple[Duration, ...] = ()
    """Earlier times to ask the same for, such as [1h, 1d]."""
    bad_above: float | None = None
    """The answer is bad above this."""
    bad_below: float | None = None
    """The answer is bad below this."""
    bad_times_usual: Annotated[float, Field(gt=0)] | None = None
    """The answer is bad when it is so many times what is usual."""
    bad_unless_all: bool = False
    """The answer is bad when it is less than `of`."""
    matchers: Matchers = ()
    """The alerts that it is asked for, all matchers holding; without any, every alert."""
    role: Literal[
        "failures", "slowness", "outputs", "versions", "targets", "load", "memory", "starts", "inputs",
        "errors_by_version", "errors_by_pod", "pods_by_version", "pods_up", "pods_failing", "version_began",
        "traffic", "saturation", "drift", "error_types", "probe", "peak", "",
    ] = ""  # fmt: skip
    """What it may prove about the cause."""


class ChangeRuleSettings(Section):
    """Which alerts report a change, and where they name its version and service."""

    matchers: SomeMatchers
    """Which alerts announce a change; all must hold."""
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]
    """What kind of change it is, such as deploy, rollback or retraining."""
    version_label: LabelName = "version"
    """The label that names the new version."""
    service_label: LabelName | None = None
    """The label that names the service; without it, those that are usual."""


class DistributionSettings(Section):
    """A histogram that is drawn against what it is compared with."""

    title: Line
    """What the chart is called."""
    unit: Unit
    """How the values are written."""
    now: PromQL
    """PromQL of the histogram now, by le."""
    baseline: PromQL
    """PromQL of what it is compared with: the same, or a cumulative distribution."""
    baseline_bound: LabelName = "le"
    """The baseline's label with the upper bound."""
    now_name: Line = "now"
    """What the chart calls the one."""
    baseline_name: Line = "training"
    """What the chart calls the other."""
    matchers: Matchers = ()
    """The alerts that it is drawn for, all matchers holding; without any, every alert."""


def _as(kind: type[Any], written: type[Section]) -> Written:
    """A value of the core that has the section's fields."""
    return Written(written, lambda section: kind(**dict(section)))


_ChangeRules = tuple[Annotated[ChangeRule, _as(ChangeRule, ChangeRuleSettings)], ...]


def _or_usual(rules: tuple[ChangeRule, ...] | None) -> tuple[ChangeRule, ...]:
    return CHANGE_RULES if rules is None else rules


class ContextSettings(Section):
    """What is asked about an incident before it is sent; never for longer than the budget."""

    prometheus: PrometheusSettings
    """Who is asked."""
    budget: Duration = timedelta(seconds=1.5)
    """How long a message waits for all answers."""
    query_timeout: Duration = timedelta(seconds=1)
    """How long one query may take."""
    shared_for: Duration = timedelta(seconds=5)
    """One answer serves every message that asks the same within this time."""
    window: Duration = timedelta(hours=2)
    """How long before an incident its cause is looked for."""
    step: Annotated[Duration, Field(ge=timedelta(seconds=15))] = timedelta(minutes=1)
    """How finely a cause is looked for in time; no less than the time between two scrapes."""
    labels: tuple[LabelName, ...] = ("namespace", "job")
    """What {{ labels }} narrows a question to, of the labels that all alerts share."""
    questions: tuple[Annotated[Question, _as(Question, QuestionSettings)], ...] = ()
    """What is asked, in the order of importance."""
    changes: Annotated[tuple[ChangeRule, ...], Written(_ChangeRules | None, _or_usual)] = CHANGE_RULES
    """Which alerts announce changes; without it, MLModelDeployed and MLRetrainingStarted."""
    pictures: bool = True
    """Whether the alert's own expression is drawn; Slack's token then needs files:write."""
    distributions: tuple[Annotated[DistributionQuestion, _as(DistributionQuestion, DistributionSettings)], ...] = ()
    """Histograms that are drawn against what they are compared with."""
    probes: tuple[ProbeSettings, ...] = ()
    """Models that are asked texts of known labels after a message about their answers."""
