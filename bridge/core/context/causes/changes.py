"""Every pod has the change, so before is compared with after.

Claim: the trouble began with this change. Evidence: the onset is at it (as finely as that is known) to a
few minutes after it. Refuted: two versions serve and both have the trouble alike; it ran without trouble
for longer; the trouble was there before. Never a rollback, nor a retraining that was only started.
Confidence: likely when it coincides with a known onset; possible within 8 min, or when there is no history to tell.
"""

from __future__ import annotations

from bridge.core.context.causes.versions import rollback_words
from bridge.core.context.causes.wording import change_words, claim, noun, relative
from bridge.core.context.counts import MIN_ALL, UNMOVED, alike, worse
from bridge.core.context.evidence import NO_CAUSES, Evidence
from bridge.core.facts import ChangeEvent, Confidence, Hypothesis


def change_at_onset(evidence: Evidence) -> Hypothesis | None:
    near = [change for change in evidence.at_onset() if not _refuted(change, evidence)]
    if not near:
        return None
    change, *others = near
    if evidence.onset is None and not evidence.young:
        return None
    observed = f"{change_words(change)} {relative(evidence.since(change), evidence)}"
    compared = _before_and_after(evidence)
    other = next((each for each in others if change_words(each) != change_words(change)), None)
    also = f"{change_words(other)} {relative(evidence.since(other), evidence)}, too" if other else ""
    back = rollback_words(change.version, evidence) if change.version else ""
    unsure = "" if evidence.onset else "when the trouble began is not known"
    confidence = Confidence.LIKELY if evidence.coincides(change) else Confidence.POSSIBLE
    return claim("change_at_onset", [observed, compared, also, back, unsure], confidence)


def refuted_changes(evidence: Evidence) -> str:
    """`the errors began 4 min before 1.1.0 was deployed`, for a change that might be taken for the cause."""
    if evidence.onset is None:
        return ""
    before_alert = [c for c in evidence.changes if c.kind not in NO_CAUSES and c.at.timestamp() <= evidence.started]
    first = min((c for c in before_alert if evidence.preceded(c)), key=evidence.since, default=None)
    if first is None:
        return ""
    gap = relative(evidence.since(first), evidence).partition(" after ")[0]
    return f"{noun(evidence)} began {gap} before {change_words(first)}"


def _refuted(change: ChangeEvent, evidence: Evidence) -> bool:
    """Whether pods without the change have the trouble, too; what was deployed later may have it from there."""
    if not change.version or evidence.symptom is None or evidence.onset is None:
        return False
    table, (since, until) = evidence.symptom.table, evidence.trouble
    later = evidence.versions.after(change.version)
    without = table.counts(since + table.step, until, lambda cell: cell.version not in ("", change.version, *later))
    mine = table.counts(since, until, lambda cell: cell.version == change.version)
    moved = without.ratio > UNMOVED * evidence.before.ratio
    return (moved and alike(mine, without)) or (without.all >= MIN_ALL and worse(without, evidence.before))


def _before_and_after(evidence: Evidence) -> str:
    if evidence.symptom is None or evidence.onset is None:
        return ""
    before, after = evidence.before, evidence.symptom.table.counts(*evidence.trouble)
    if min(before.all, after.all) < MIN_ALL:
        return ""
    return f"{evidence.symptom.title.lower()}: {after.words} since, {before.words} in the hour before"
