"""The cause of an incident: one small rule a topic, and the list in which they are asked. Pure.

A rule states its claim, its evidence, what refutes it and its confidence in its docstring. It knows roles, never the
name of a metric. Invariant: without evidence there is no hypothesis, and `likely` needs a comparison or a coincidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bridge.core.context.causes.changes import change_at_onset, refuted_changes
from bridge.core.context.causes.golden import model_degraded, texts_changed
from bridge.core.context.causes.inputs import inputs_changed, longer_texts
from bridge.core.context.causes.lost_traffic import traffic_fell
from bridge.core.context.causes.memory import memory_grows
from bridge.core.context.causes.new_pods import new_pods_fail
from bridge.core.context.causes.overload import overload
from bridge.core.context.causes.pods import no_pods, pod_fails, pods_missing, pods_restarted, pods_went
from bridge.core.context.causes.shared import common_errors
from bridge.core.context.causes.shares import share_by_pod, share_by_version
from bridge.core.context.causes.versions import version_fails
from bridge.core.context.evidence import Evidence
from bridge.core.facts import Confidence, Hypothesis, Onset

Rule = Callable[[Evidence], Hypothesis | None]
#: The most specific first; the first likely claim wins, else the first possible one.
RULES: tuple[Rule, ...] = (
    no_pods, version_fails, share_by_version, new_pods_fail, pod_fails, share_by_pod, pods_missing, longer_texts,
    model_degraded, overload, traffic_fell, inputs_changed, texts_changed, memory_grows,
    change_at_onset, pods_restarted, common_errors,
)  # fmt: skip
BY_CHANGE = ("version_fails", "change_at_onset")  #: they name their change themselves
WITHOUT_TROUBLE: tuple[Rule, ...] = (no_pods, pods_missing, pods_restarted, model_degraded)


@dataclass(frozen=True, slots=True)
class Decision:
    hypothesis: Hypothesis | None
    onset: Onset | None
    looked_at: tuple[str, ...]


def decide(cases: Sequence[Evidence]) -> Decision:
    """The cases are one incident's symptoms; the earliest known onset is the incident's."""
    claims = [found for case in cases for rule in _rules(case) if (found := rule(case)) is not None]
    best = next((each for each in claims if each.confidence is Confidence.LIKELY), claims[0] if claims else None)
    onsets = [case.onset for case in cases if case.onset is not None] or pods_went(cases[0])
    against = next((text for case in cases if (text := refuted_changes(case))), "")
    if best is not None and best.rule not in BY_CHANGE and against:
        best = replace(best, text=f"{best.text} {against[0].upper()}{against[1:]}.", evidence=(*best.evidence, against))
    looked = dict.fromkeys(name for case in cases for name in looked_at(case))
    return Decision(best, min(onsets, key=lambda onset: onset.at) if onsets else None, tuple(looked))


def _rules(case: Evidence) -> tuple[Rule, ...]:
    """Where the counts show no trouble there is none to explain, but pods may be missing all the same."""
    return RULES if case.bad else WITHOUT_TROUBLE


def looked_at(evidence: Evidence) -> list[str]:
    """What had an answer."""
    table = evidence.symptom.table if evidence.symptom else None
    by_version, by_pod = (table.by_version(*evidence.trouble), table.by_pod(*evidence.trouble)) if table else ({}, {})
    answered = {
        "deploys": evidence.changes_known,
        "versions": bool(by_version) or evidence.fact("errors_by_version") is not None,
        "pods": bool(by_pod) or "targets" in evidence.histories or evidence.fact("pods_up") is not None,
        "traffic": "load" in evidence.histories or evidence.fact("traffic") is not None,
        "inputs": bool(evidence.inputs),
        "memory": "memory" in evidence.histories,
        "restarts": "starts" in evidence.histories,
        "golden texts": evidence.fact("probe") is not None,
    }
    return [name for name, there in answered.items() if there]
