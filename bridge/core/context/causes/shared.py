"""What all pods have in common.

Claim: something that all pods share fails, such as an upstream. Evidence: at least two pods, all of them alike, and
nearly all errors of one type, which says that they wait for something; or most requests fail. Refuted: a change or a
rise of traffic at the onset. Confidence: possible, never more.
"""

from __future__ import annotations

import re

from bridge.core.context.causes.overload import SURGE
from bridge.core.context.causes.pods import pods_alike, restarted_words
from bridge.core.context.causes.traffic import rise_of_each
from bridge.core.context.causes.wording import claim, noun, pods
from bridge.core.context.counts import MIN_BAD, summed
from bridge.core.context.evidence import JUST_BEFORE, SKEW, Evidence
from bridge.core.facts import Confidence, Hypothesis
from bridge.core.numbers import in_words

NEARLY_ALL = 0.9
OUTAGE = 0.5  #: so many fail that it is one thing
#: Types of errors that say that something else did not answer.
WAITING = re.compile(r"time.?out|deadline|upstream|connect|unavailable|unreachable|dns", re.IGNORECASE)


def common_errors(evidence: Evidence) -> Hypothesis | None:
    symptom = evidence.symptom
    if symptom is None or symptom.role != "failures" or evidence.onset is None or not evidence.changes_known:
        return None
    kind, rise = leading_error(evidence), rise_of_each(evidence)
    rose = rise is not None and rise.factor >= SURGE and -SKEW <= evidence.began - rise.at <= JUST_BEFORE
    if not kind or not pods_alike(evidence) or evidence.at_onset() or rose:
        return None
    every = summed(symptom.table.by_pod(*evidence.trouble).values())
    restarted = restarted_words(evidence)
    waiting = WAITING.search(kind) is not None
    if not waiting and every.ratio < OUTAGE:
        return None
    where = f"look at what they share{', such as the upstream' if waiting else ''}"
    reasons = [
        f"{_everyone(evidence)} fail alike, nearly all with {kind} ({every.words}): {where}",
        restarted or f"nothing was changed as {noun(evidence)} began",
    ]
    news = restarted or ("" if evidence.changes else f"nothing changed in {in_words(evidence.window)}")
    short = f"nearly all {kind}, on all pods alike{f', {news}' if news else ''}"
    return claim("common_errors", reasons, Confidence.POSSIBLE, short)


def _everyone(evidence: Evidence) -> str:
    count = len(evidence.symptom.table.by_pod(*evidence.trouble)) if evidence.symptom else 0
    return f"All {pods(count)}"


def leading_error(evidence: Evidence) -> str:
    fact = evidence.fact("error_types")
    total = sum(part.value for part in fact.parts) if fact else 0.0
    if fact is None or total < MIN_BAD or fact.parts[0].value < NEARLY_ALL * total:
        return ""
    return fact.parts[0].name
