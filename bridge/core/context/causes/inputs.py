"""The model or the world: did the answers change because the texts did?

- `longer_texts`. Claim: slow because the texts grew. Evidence: their mean length rose far, at the onset. Likely.
- `inputs_changed`. Claim: the texts changed. Evidence: every version and pod alike, no change at the onset, the version
  served long before it; and the golden texts are answered as before, or the mix of texts changed at the onset (likely),
  else only possible. Refuted: a change at the onset. "Nothing was deployed" alone, or a drift as old as the version,
  is no evidence.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from bridge.core.context.causes.golden import answered_as_before
from bridge.core.context.causes.pods import failing_pods
from bridge.core.context.causes.versions import compared, standing_out, versions_alike
from bridge.core.context.causes.wording import change_words, claim, listed, relative
from bridge.core.context.counts import MIN_ALL
from bridge.core.context.evidence import JUST_BEFORE, MINUTE, SKEW, Evidence
from bridge.core.context.histories import History
from bridge.core.context.onsets import left_level
from bridge.core.facts import Confidence, Hypothesis, Unit
from bridge.core.numbers import shown, times

LONGER = 1.5  #: times as long
SHIFTED = 0.15  #: of all texts
LONG_SERVED = 30 * MINUTE  #: before the onset


@dataclass(frozen=True, slots=True)
class Shift:
    """A mean or a share that left its level."""

    title: str
    name: str  #: of the part, if it is one
    before: float
    now: float
    at: float
    unit: Unit

    @property
    def words(self) -> str:
        name = f" {self.name}" if self.name else ""
        return f"{self.title}{name}: {shown(self.before, self.unit)} before, {shown(self.now, self.unit)} now"


def longer_texts(evidence: Evidence) -> Hypothesis | None:
    if evidence.symptom is None or evidence.symptom.role != "slowness":
        return None
    found = [each for each in shifts(evidence) if not each.name and each.now >= LONGER * each.before]
    if not found:
        return None
    shift = found[0]
    observed = f"{shift.words} ({times(shift.now / shift.before)}), {relative(shift.at, evidence)}"
    return claim("longer_texts", [observed], Confidence.LIKELY, shift.words)


def inputs_changed(evidence: Evidence) -> Hypothesis | None:
    if evidence.symptom is None or evidence.symptom.role != "outputs" or evidence.onset is None:
        return None
    if _apart(evidence) or not evidence.changes_known:
        return None
    golden, who, shifted = _golden(evidence), _who(evidence), [each.words for each in shifts(evidence)[:2]]
    undisturbed = _served_long(evidence, LONG_SERVED) and not evidence.at_onset()
    ran_clean = _served_long(evidence, JUST_BEFORE) and not any(map(evidence.coincides, evidence.at_onset()))
    if not undisturbed and not (shifted and ran_clean):
        return None
    found = [*shifted, *([golden] if golden else [])]
    confidence = Confidence.LIKELY if found and undisturbed else Confidence.POSSIBLE
    short = found[0] if found else f"{who} alike, no change"
    unchanged = "nothing was changed at that time" if undisturbed else _ran_clean(evidence)
    reasons = [f"{who} alike", unchanged, *found]
    return claim("inputs_changed", reasons, confidence, short, "The texts rather than the model: ")


def _ran_clean(evidence: Evidence) -> str:
    """`1.5.0 was deployed 9 min before the answers changed`, so it may have to do with it all the same."""
    near = next(iter(evidence.at_onset()), None)
    return f"{change_words(near)} {relative(evidence.since(near), evidence)}" if near is not None else ""


def _apart(evidence: Evidence) -> bool:
    """Whether a version or a pod stands out; with several versions, unless they are alike."""
    if evidence.symptom is None:
        return True
    several = [version for version, mine, _ in compared(evidence) if mine.all >= MIN_ALL]
    differ = bool(standing_out(evidence) or failing_pods(evidence))
    return differ or (len(several) > 1 and not versions_alike(evidence))


def shifts(evidence: Evidence) -> list[Shift]:
    """Means and shares of the inputs that left their level about at the onset, the largest first."""
    found = [shift for history in evidence.inputs for shift in _shifts(history, evidence)]
    near = [each for each in found if -2 * SKEW <= evidence.began - each.at <= 2 * JUST_BEFORE]
    return sorted(near, key=lambda each: abs(each.now - each.before), reverse=True)


def _shifts(history: History, evidence: Evidence) -> list[Shift]:
    by, wholes = history.question.by, dict[float, float]()
    for each in history.wholes:
        for at, value in each.finite:
            wholes[at] = wholes.get(at, 0.0) + value
    found = []
    for each in history.parts:
        points = [(at, value / wholes[at]) for at, value in each.finite if at <= evidence.until and wholes.get(at)]
        found.append(_shift(points, history, each.labels.get(by, "") if by else "", evidence))
    return [shift for shift in found if shift is not None]


def _shift(points: list[tuple[float, float]], history: History, name: str, evidence: Evidence) -> Shift | None:
    at = left_level(points, evidence.began)
    if at is None and history.question.unit is not Unit.RATIO:
        at = left_level([(moment, 1 / value) for moment, value in points if value > 0], evidence.began)
    if at is None:
        return None
    before = statistics.median(value for moment, value in points if moment < at)
    after = statistics.median([value for moment, value in points if moment >= at + MINUTE] or [points[-1][1]])
    unit = history.question.unit
    if (unit is Unit.RATIO and after - before < SHIFTED) or (unit is not Unit.RATIO and before <= 0):
        return None
    return Shift(history.question.title, name, before, after, at, unit)


def _served_long(evidence: Evidence, long: float) -> bool:
    """Every version that answers now was seen so many seconds before the onset."""
    now = evidence.versions.running(evidence.until)
    began = evidence.versions.began
    if not now or not evidence.versions.known_before(evidence.began - long):
        return False
    return all(began.get(version, 0.0) <= evidence.began - long for version in now)


def _who(evidence: Evidence) -> str:
    assert evidence.symptom is not None
    pods = evidence.symptom.table.by_pod(*evidence.trouble)
    versions = listed(sorted(evidence.versions.running(evidence.until)))
    return f"all {len(pods)} pods on {versions}" if len(pods) > 1 else versions


def _golden(evidence: Evidence) -> str:
    return "its golden texts are answered as after its deploy" if answered_as_before(evidence) else ""
