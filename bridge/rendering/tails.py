"""What the end of a summary may add: what is new, and never the number that the summary already says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridge.core.context.questions import SYMPTOMS
from bridge.core.facts import Confidence, Context, Fact, Hypothesis, Measurements, Unit, Verdict, newest_of
from bridge.core.numbers import in_words, measured
from bridge.rendering.fact_lines import in_order, short_name
from bridge.rendering.text import cut, one_line

MAX_TAIL = 120
ALL, FEWEST = 0.95, 10  #: of the errors, from which on, and of how many, they are said to be of one kind
SAME = 1.5  #: two numbers within this factor are one number, measured twice
_NUMBER = re.compile(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?)\s?(%|ms|s\b|/s|[kMGT]?i?B\b)?")
_UNITS = {Unit.RATIO: "%", Unit.SECONDS: "s", Unit.BYTES: "B", Unit.PER_SECOND: "/s"}
_SCALES = {
    "ms": 0.001,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "%": 0.01,
}
_WORD = re.compile(r"[a-z]{4,}")
_STEM = 4  #: letters


def tails_of(known: Measurements | None, subject: str) -> tuple[str, ...]:
    """The most specific first. subject: the summary that one of them may follow."""
    return tuple(dict.fromkeys(_tails(newest_of(known), subject))) if known is not None else ()


def _tails(context: Context, subject: str) -> Iterator[str]:
    """Where the subject says how bad it is, that nothing changed is more news than another number."""
    bad = [
        f"{short_name(fact.title)} {measured(fact)}"
        for fact in in_order(context.facts, context.at)
        if fact.verdict is Verdict.BAD and fact.value is not None and not repeats(fact, subject)
    ]
    if context.hypothesis is not None:
        yield _short(context.hypothesis)
        yield from bad
        return
    kind, unchanged = _one_kind(context), _unchanged(context)
    yield from filter(None, (f"{kind}, {unchanged}" if kind and unchanged else "", kind))
    yield from filter(None, (unchanged, *bad) if any(_numbers(subject)) else (*bad, unchanged))


def repeats(fact: Fact, subject: str) -> bool:
    """Whether the subject says this number already, perhaps as it was a little earlier, or as another unit."""
    numbers = list(_numbers(subject))
    if fact.value is None or not numbers:
        return False
    if fact.role in SYMPTOMS or _about(fact.title, subject):
        return True
    same = [number for number, unit in numbers if unit == _UNITS.get(fact.unit, "")]
    return any(number <= SAME * fact.value and fact.value <= SAME * number for number in same)


def _about(title: str, subject: str) -> bool:
    """`Failed predictions` is what `7 % of predictions fail` says."""
    stems = {word[:_STEM] for word in _WORD.findall(title.lower())}
    return bool(stems) and stems <= {word[:_STEM] for word in _WORD.findall(subject.lower())}


def _numbers(subject: str) -> Iterator[tuple[float, str]]:
    for digits, unit in _NUMBER.findall(subject):
        family = "s" if unit == "ms" else "B" if unit.endswith("B") else unit
        yield float(digits.replace(",", "")) * _SCALES.get(unit, 1), family


def _short(hypothesis: Hypothesis) -> str:
    first = hypothesis.evidence[0] if hypothesis.evidence else hypothesis.text.partition(";")[0]
    text = cut(one_line(hypothesis.short or first).rstrip("."), MAX_TAIL)
    return text if hypothesis.confidence is Confidence.LIKELY else f"possibly: {text}"


def _one_kind(context: Context) -> str:
    """`all errors are timeout`, if they are, and not just a few."""
    fact = context.by_role("error_types")
    total = sum(part.value for part in fact.parts) if fact else 0.0
    if fact is None or fact.unit is not Unit.COUNT or total < FEWEST or fact.parts[0].value < ALL * total:
        return ""
    return f"all errors are {short_name(fact.parts[0].name)}"


def _unchanged(context: Context) -> str:
    known = context.changes_known and not context.changes
    return f"no change known in {in_words(context.window)}" if known else ""
