"""How the rules say what they found. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from bridge.core.context.counts import UNMOVED, Counts
from bridge.core.context.evidence import Evidence
from bridge.core.facts import ChangeEvent, Confidence, Hypothesis, Unit
from bridge.core.numbers import in_words, shown

#: By the symptom's role: the verb of what has it, and the noun of it.
VERBS = {"failures": "fails", "slowness": "is slow", "outputs": "differs"}
PLURAL_VERBS = {"failures": "fail", "slowness": "are slow", "outputs": "differ"}
NOUNS = {"failures": "the errors", "slowness": "the slowness", "outputs": "the change of answers"}
MOST_NAMES = 3


def claim(rule: str, parts: Sequence[str], confidence: Confidence, short: str = "", begins: str = "") -> Hypothesis:
    """One sentence of the parts that there are, which are its evidence. begins: stands before them."""
    found = tuple(part for part in parts if part)
    text = f"{begins}{'; '.join(found)}."
    return Hypothesis(rule, text[0].upper() + text[1:] if begins else text, found, confidence, short or found[0])


def verb(evidence: Evidence, count: int = 1) -> str:
    words = VERBS if count == 1 else PLURAL_VERBS
    return words[evidence.symptom.role] if evidence.symptom else ("fails" if count == 1 else "fail")


def noun(evidence: Evidence) -> str:
    """What began: `the errors began`."""
    return NOUNS[evidence.symptom.role] if evidence.symptom else "the trouble"


def began(evidence: Evidence) -> str:
    changed = evidence.symptom is not None and evidence.symptom.role == "outputs"
    return "the answers changed" if changed else f"{noun(evidence)} began"


def compared_words(evidence: Evidence, count: int, mine: Counts, rest: Counts, whom: str) -> str:
    """`fails (54 of 100 against 2 of 300 by 1.1.0)`; of answers, which are no failures, what differs is said."""
    if evidence.symptom is not None and evidence.symptom.role == "outputs":
        shares = [f"{shown(each.ratio, Unit.RATIO)} ({each.words})" for each in (mine, rest)]
        return f"{verb(evidence, count)}: {evidence.symptom.title.lower()} {shares[0]} against {shares[1]} {whom}"
    return f"{verb(evidence, count)} ({mine.words} against {rest.words} {whom})"


def short_words(evidence: Evidence, version: str, mine: Counts, rest: Counts, names: Sequence[str]) -> str:
    """`2.0.0 fails, 1.1.0 does not`, or `2.0.0: texts judged toxic 84 %, 1.1.0: 12 %`.

    That the others are well is said only of those that are.
    """
    role, others = evidence.symptom.role if evidence.symptom else "", listed(names)
    if evidence.symptom is not None and role == "outputs":
        what = f"{evidence.symptom.title.lower()} {shown(mine.ratio, Unit.RATIO)}"
        return f"{version}: {what}, {others}: {shown(rest.ratio, Unit.RATIO)}"
    limit = evidence.symptom.limit if evidence.symptom else None
    if rest.ratio > max(UNMOVED * evidence.before.ratio, limit or 0.0):
        return f"{version} {verb(evidence)}, {others} far less"
    one, several = ("is", "are") if role == "slowness" else ("does", "do")
    return f"{version} {verb(evidence)}, {others} {one if len(names) == 1 else several} not"


def others_of(count: int) -> str:
    return "the other pod" if count == 1 else f"the other {count} pods"


def relative(at: float, evidence: Evidence) -> str:
    """`4 min before the errors began`, `as` when clocks and windows tell no more; else from when the alert fired."""
    what = began(evidence) if evidence.onset else "the alert fired"
    gap = evidence.began - at
    if abs(round(gap)) < 60:
        return f"as {what}"
    return f"{in_words(timedelta(seconds=abs(round(gap))))} {'before' if gap > 0 else 'after'} {what}"


def change_words(change: ChangeEvent) -> str:
    if change.kind == "deploy" and change.version:
        return f"{change.version} was deployed"
    said = change.summary.strip().rstrip(".")
    if change.kind == "config" and not re.search("config", said, re.IGNORECASE):
        return f"configuration change: {said}" if said else "a configuration change"
    return said or change.kind


def ago(at: float, evidence: Evidence) -> str:
    return in_words(timedelta(seconds=max(0, round(evidence.until - at))))


def listed(names: Sequence[str]) -> str:
    """`a, b and c`, or `a, b, c and 4 more`."""
    if len(names) > MOST_NAMES + 1:
        return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def pods(count: int) -> str:
    return f"{count} pod{'' if count == 1 else 's'}"
