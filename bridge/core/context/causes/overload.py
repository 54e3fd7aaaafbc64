"""More traffic than the service can take.

Claim: the traffic rose, and the trouble came with it. Evidence: so many times what each pod got before (all of them,
where there are as many as before), and the rise is not after the onset. Refuted: it rose later, as when clients try
again; it had risen long before; as many pods were added; or the trouble is none that traffic causes.
Confidence: likely with a known onset and rise, else possible.
"""

from __future__ import annotations

from bridge.core.context.causes.traffic import Rise, rise_of, rise_of_each, rose_with
from bridge.core.context.causes.wording import ago, claim, relative
from bridge.core.context.evidence import MINUTE, Evidence
from bridge.core.facts import Confidence, Fact, Hypothesis, Unit, Verdict
from bridge.core.numbers import shown, times

OVERLOAD, SURGE = 1.8, 3.0  #: times what was before: with a full service, or slowness; by itself


def overload(evidence: Evidence) -> Hypothesis | None:
    rise = (rise_of_each(evidence) if evidence.symptom else rise_of(evidence)) or _as_long_as_known(evidence)
    full = evidence.fact("saturation")
    saturated = full is not None and full.verdict is Verdict.BAD
    role = evidence.symptom.role if evidence.symptom else ""
    needed = OVERLOAD if saturated or role == "slowness" else SURGE
    if role == "outputs" or rise is None or rise.factor < needed or not (role or evidence.crowded):
        return None
    if not rose_with(rise, evidence):
        return None
    observed = words_of(rise)
    apart = evidence.symptom is not None and evidence.began - rise.at >= MINUTE
    when = f"the traffic rose {relative(rise.at, evidence)}" if apart else ""
    rule = "overload" if saturated or role == "slowness" else "traffic_surge"
    confidence = Confidence.LIKELY if evidence.onset is not None else Confidence.POSSIBLE
    short = observed if evidence.symptom else f"the traffic rose {ago(rise.at, evidence)} ago"
    return claim(rule, [observed, when, _crowd(full) if saturated else ""], confidence, short)


def words_of(rise: Rise) -> str:
    """`3.5 x the usual traffic (42/s)`."""
    whose = "each pod gets " if rise.each else ""
    return f"{whose}{times(rise.factor)} the usual traffic ({shown(rise.now, Unit.PER_SECOND)})"


def _as_long_as_known(evidence: Evidence) -> Rise | None:
    """Against what is usual, when the trouble and the traffic are older than all that was asked for."""
    traffic = evidence.fact("traffic")
    usual = next((past.value for past in traffic.past), 0.0) if traffic else 0.0
    if evidence.onset is not None or traffic is None or not traffic.value or usual <= 0:
        return None
    return Rise(traffic.value / usual, traffic.value, evidence.began)


def _crowd(fact: Fact | None) -> str:
    return f"{fact.title.lower()}: {shown(fact.value, fact.unit)}" if fact and fact.value is not None else ""
