"""For questions that are asked once: errors by version or pod, without history.

Claim: one part has nearly all errors. Evidence: with wholes, counts and a test (likely, others are the comparison);
without, its share of the errors is far above its share of the pods (possible: a share may be that of the traffic).
Refuted: it runs on most pods.
"""

from __future__ import annotations

from bridge.core.context.causes.wording import change_words, claim, relative
from bridge.core.context.counts import MIN_BAD, Counts, summed, worse
from bridge.core.context.evidence import Evidence
from bridge.core.facts import Confidence, Fact, Hypothesis, Part, Unit
from bridge.core.numbers import shown

MOSTLY = 0.8
MOST_PODS = 0.7
WINDOW = 300.0  #: seconds that a rate is usually taken over, for how many there were


def share_by_version(evidence: Evidence) -> Hypothesis | None:
    fact = evidence.fact("errors_by_version")
    if evidence.symptom is not None or fact is None:
        return None
    found = _leader(fact) or _of_few_pods(fact, evidence)
    if found is None:
        return None
    part, observed, confidence = found
    near = next((c for c in evidence.at_onset() if c.version == part.name), None)
    deployed = f"{change_words(near)} {relative(evidence.since(near), evidence)}" if near else ""
    return claim("version_fails", [deployed, observed], confidence, f"{part.name} fails")


def share_by_pod(evidence: Evidence) -> Hypothesis | None:
    fact = evidence.fact("errors_by_pod")
    if evidence.symptom is not None or fact is None:
        return None
    found = _leader(fact) or _share(fact)
    if found is None:
        return None
    part, observed, confidence = found
    return claim("pod_fails", [observed], confidence, f"only on {part.name}")


def _leader(fact: Fact) -> tuple[Part, str, Confidence] | None:
    """By counts of wholes."""
    if fact.unit is not Unit.COUNT or len(fact.parts) < 2 or any(part.of is None for part in fact.parts):
        return None
    counts = {part.name: Counts(part.value, part.of or 0.0) for part in fact.parts}
    part = max(fact.parts, key=lambda each: counts[each.name].ratio)
    mine, rest = counts[part.name], summed(each for name, each in counts.items() if name != part.name)
    observed = f"{part.name} fails ({mine.words} against {rest.words} by the others)"
    return (part, observed, Confidence.LIKELY) if worse(mine, rest) else None


def _share(fact: Fact) -> tuple[Part, str, Confidence] | None:
    total = sum(part.value for part in fact.parts)
    many = total * WINDOW if fact.unit is Unit.PER_SECOND else total
    if len(fact.parts) < 2 or total <= 0 or many < MIN_BAD or fact.parts[0].value < MOSTLY * total:
        return None
    part = fact.parts[0]
    observed = f"{shown(part.value / total, Unit.RATIO)} of the errors come from {part.name}"
    return part, observed, Confidence.POSSIBLE


def _of_few_pods(fact: Fact, evidence: Evidence) -> tuple[Part, str, Confidence] | None:
    found, running = _share(fact), evidence.fact("pods_by_version")
    if found is None or running is None:
        return found if found is not None and running is None else None
    alive = {part.name: part.value for part in running.parts if part.value > 0}
    pods = sum(alive.values())
    return found if len(alive) > 1 and alive.get(found[0].name, 0.0) <= MOST_PODS * pods else None
