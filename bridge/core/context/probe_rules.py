"""Causes that golden texts prove. Claim, evidence and what refutes it are those of bridge.core.context.probe. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.core.context.probe import PROBE, PROBE_CONFIDENCE, sentence_of
from bridge.core.facts import Confidence, Fact, Hypothesis, Verdict
from bridge.core.numbers import measured


def model_changed(facts: Sequence[Fact], deployed: str) -> Hypothesis | None:
    """Likely: the model answers texts wrong, or is unsure of them, that it, its predecessor or its neighbours knew.

    deployed: `2.0.0 was deployed 6 min before`, if its version was.
    """
    bad = _bad(facts)
    if bad is None:
        return None
    evidence = tuple(text for text in (sentence_of(bad), deployed) if text)
    wrong = bad.role == PROBE and bad.value is not None and bad.of is not None
    short = f"{measured(bad)} golden texts wrong: the model" if wrong else "less sure of its golden texts: the model"
    return Hypothesis("model_changed", f"{'; '.join(evidence)}.", evidence, Confidence.LIKELY, short)


def bad_versions(facts: Sequence[Fact]) -> frozenset[str]:
    """Of the model that is changed, if it is."""
    bad = _bad(facts)
    return frozenset(part.name for part in bad.parts[:1] if part.name) if bad is not None else frozenset()


def inputs_changed(probe: Fact | None, drift: Fact | None) -> Hypothesis | None:
    """Likely: every target answers its golden texts as after its deploy, and the incident is about its answers."""
    if probe is None or probe.role != PROBE or probe.verdict is not Verdict.GOOD:
        return None
    said = sentence_of(probe)
    drifted = f"{drift.title} above its limit" if drift is not None and drift.verdict is Verdict.BAD else ""
    evidence = tuple(text for text in (said, drifted) if text)
    return Hypothesis(
        "inputs_changed",
        f"{'; '.join(evidence)}.",
        evidence,
        Confidence.LIKELY,
        "golden texts right: the traffic changed",
    )


def _bad(facts: Sequence[Fact]) -> Fact | None:
    return next(
        (fact for fact in facts if fact.role in (PROBE, PROBE_CONFIDENCE) and fact.verdict is Verdict.BAD), None
    )
