"""What golden texts prove, of which the answers are known; bridge.core.context.probe compares them.

- `model_degraded`. Claim: the model is not what it was. Evidence: it answers texts wrong, or is unsure of them, that it
  knew after its deploy, or that the version before it or the other pods know. Likely.
- `texts_changed`. Claim: the texts changed, and not the model. Evidence: every address answers the golden texts as
  after its deploy, and the incident is about the answers, for else nothing is probed. Likely, even with a change at the
  onset: what it changed would show in the answers.
"""

from __future__ import annotations

from bridge.core.context.causes.versions import deployment_of
from bridge.core.context.causes.wording import change_words, claim, relative
from bridge.core.context.evidence import Evidence
from bridge.core.context.probe import PROBE, PROBE_CONFIDENCE, sentence_of
from bridge.core.facts import Confidence, Fact, Hypothesis, Verdict
from bridge.core.numbers import measured


def model_degraded(evidence: Evidence) -> Hypothesis | None:
    bad = next((fact for fact in _probed(evidence) if fact.verdict is Verdict.BAD), None)
    if bad is None:
        return None
    wrong = f"{measured(bad)} golden texts wrong" if bad.role == PROBE else "less sure of its golden texts"
    reasons = [sentence_of(bad), _deployed(bad, evidence)]
    return claim("model_degraded", reasons, Confidence.LIKELY, f"{wrong}: the model")


def texts_changed(evidence: Evidence) -> Hypothesis | None:
    if not answered_as_before(evidence):
        return None
    said = [sentence_of(fact) for fact in _probed(evidence) if fact.role == PROBE]
    return claim("inputs_changed", said, Confidence.LIKELY, "golden texts right: the traffic changed")


def answered_as_before(evidence: Evidence) -> bool:
    return any(fact.role == PROBE and fact.verdict is Verdict.GOOD for fact in _probed(evidence))


def _probed(evidence: Evidence) -> list[Fact]:
    return [fact for fact in evidence.facts if fact.role in (PROBE, PROBE_CONFIDENCE)]


def _deployed(bad: Fact, evidence: Evidence) -> str:
    """`2.0.0 was deployed 6 min before the answers changed`."""
    deployed = deployment_of(bad.parts[0].name, evidence) if bad.parts and bad.parts[0].name else None
    return f"{change_words(deployed)} {relative(evidence.since(deployed), evidence)}" if deployed is not None else ""
