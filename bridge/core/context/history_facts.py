"""Facts from histories: what is shown of them. Pure.

Invariant: nothing is called good that is not measured now, and few are shown as a count, never as a share.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from bridge.core.context.causes.inputs import LONGER
from bridge.core.context.causes.memory import growth_of, trend_words
from bridge.core.context.causes.pods import restarts
from bridge.core.context.counts import MIN_ALL, Counts
from bridge.core.context.enrichment import MAX_PARTS, verdict_of
from bridge.core.context.evidence import MINUTE, Evidence
from bridge.core.context.histories import History
from bridge.core.context.up_pods import UpPods, up_pods
from bridge.core.facts import Fact, Part, Past, Unit, Verdict

LATELY = 5 * MINUTE
TOO_FEW = "too few to say"


def facts_of(history: History, cases: Sequence[Evidence]) -> list[Fact]:
    """Of one history; none where there is nothing to say."""
    question, case = history.question, cases[0]
    at = datetime.fromtimestamp(case.until, UTC)
    match question.role:
        case "versions":
            return _versions(history, case, at)
        case "targets":
            return _targets(history, case, at)
        case "memory":
            return _memory(history, case, at)
        case "starts":
            return _restarts(history, case, at)
        case "inputs" if not question.by:
            return _mean(history, case, at)
        case "failures" | "slowness" | "outputs":
            mine = [each for each in cases if each.symptom and each.symptom.title == question.title]
            return [fact for each in mine for fact in _symptom(history, each, at)]
    return []


def without_false_comfort(facts: Iterable[Fact], case: Evidence) -> list[Fact]:
    """While no pod answers, or nothing is asked of them, the last values are no good news."""
    up, load = up_pods(case), [value for at, value in case.total("load") if at > case.until - 3 * MINUTE]
    dead = up is not None and up.expected > 0 and not up.now
    silent = bool(load) and max(load) <= 0
    if not dead and not silent:
        return list(facts)
    why = (
        f"not measured now: 0 of {up.expected} pods answer"
        if dead and up is not None
        else "not measured now: no traffic"
    )
    return [
        replace(fact, verdict=Verdict.NEUTRAL, why=why) if fact.verdict is Verdict.GOOD else fact for fact in facts
    ]  # fmt: skip


def with_one_count(facts: Iterable[Fact], case: Evidence) -> list[Fact]:
    """Of all facts that count pods, the whole is the same; those measured after the end are of another time."""
    up = up_pods(case)
    return [_counted(fact, up) if up and _of_now(fact, case) else fact for fact in facts]


def _of_now(fact: Fact, case: Evidence) -> bool:
    return fact.of is not None and fact.value is not None and fact.at.timestamp() - case.until < 2 * MINUTE


def _counted(fact: Fact, up: UpPods) -> Fact:
    value = fact.value or 0.0
    if fact.role == "pods_failing":
        return replace(fact, of=max(value, float(up.asked)))
    if fact.role != "pods_up":
        return fact
    of = max(value, float(up.expected))
    verdict, why = _missing_of(of - value, all_gone=value >= up.asked)
    return replace(fact, of=of, verdict=verdict, why=why)


def _missing_of(missing: float, *, all_gone: bool) -> tuple[Verdict, str]:
    """Fewer targets alone may be a smaller scale."""
    if missing < 0.5:
        return Verdict.GOOD, ""
    return (Verdict.NEUTRAL if all_gone else Verdict.BAD), f"{round(missing)} missing"


def _symptom(history: History, case: Evidence, at: datetime) -> list[Fact]:
    assert case.symptom is not None
    question, table = history.question, case.symptom.table
    lately = table.counts(case.until - LATELY, case.until)
    found = [_lately(history, lately, at)] if lately.all > 0 else []
    since, until = case.trouble if case.onset else (case.until - 2 * LATELY, case.until)
    when = "since it began" if case.onset else "in 10 min"
    by_version, gone = table.by_version(since, until), case.versions.presence.gone(case.until)
    every_pod = table.by_pod(since, until)
    by_pod = {pod: counts for pod, counts in every_pod.items() if pod not in gone}
    pod = "pod" if len(by_pod) == len(every_pod) else "pod that is still there"
    for what, name_of_part, parts in (("version", "version", by_version), ("pod", pod, by_pod)):
        if len(parts) > 1 and sum(each.bad for each in parts.values()) >= 1:
            name = f"{question.name}_by_{what}"
            found.append(_parts(name, f"{question.title} by {name_of_part}, {when}", parts, at, f"symptom_by_{what}"))
    return found


def _lately(history: History, lately: Counts, at: datetime) -> Fact:
    question = history.question
    verdict, why = verdict_of(question, lately.ratio, ())
    if lately.all < MIN_ALL:
        verdict, why = Verdict.NEUTRAL, TOO_FEW
    title, bad = f"{question.title} in 5 min", float(round(lately.bad))
    return Fact(
        question.name, title, Unit.COUNT, bad, at, (), (), verdict, why, question.role, float(round(lately.all))
    )


def _parts(name: str, title: str, parts: dict[str, Counts], at: datetime, role: str) -> Fact:
    ordered = sorted(parts.items(), key=lambda each: (-each[1].ratio, each[0]))
    shown = tuple(Part(part, float(round(each.bad)), float(round(each.all))) for part, each in ordered[:MAX_PARTS])
    bad, every = (sum(values) for values in zip(*((each.bad, each.all) for each in parts.values()), strict=True))
    return Fact(name, title, Unit.COUNT, float(round(bad)), at, (), shown, role=role, of=float(round(every)))


def _versions(history: History, case: Evidence, at: datetime) -> list[Fact]:
    running = case.versions.running(case.until)
    parts = tuple(Part(name, float(count)) for name, count in sorted(running.items(), key=lambda each: -each[1]))
    total = float(sum(running.values()))
    name, title = history.question.name, history.question.title
    return [Fact(name, title, Unit.COUNT, total, at, parts=parts, role="pods_by_version")] if running else []


def _targets(history: History, case: Evidence, at: datetime) -> list[Fact]:
    up = up_pods(case)
    if up is None:
        return []
    question = history.question
    verdict, why = _missing_of(up.missing, all_gone=not up.down and up.now > 0)
    value, of = float(up.now), float(max(up.expected, up.now))
    return [
        Fact(
            question.name, question.title, Unit.COUNT, value, at, (), (), verdict, why, "targets", of,
            less_is_worse=True,
        )
    ]  # fmt: skip


def _memory(history: History, case: Evidence, at: datetime) -> list[Fact]:
    question = history.question
    gauge = {pod: [p for p in points if p[0] <= case.until] for pod, points in case.gauge("memory").items()}
    now = {pod: points[-1][1] for pod, points in gauge.items() if points and points[-1][0] > case.until - LATELY}
    if not now:
        return []
    worst = max(now, key=lambda pod: now[pod])
    growth = growth_of(gauge[worst])
    verdict, why = verdict_of(question, now[worst], ())
    trend = trend_words(growth) if growth is not None else ""
    ordered = sorted(now.items(), key=lambda each: -each[1])[:MAX_PARTS]
    parts = tuple(Part(pod, value) for pod, value in ordered)
    why = "; ".join(filter(None, (trend, why) if growth is not None and growth.leak else (why, trend)))
    return [Fact(question.name, question.title, question.unit, now[worst], at, (), parts, verdict, why, "memory")]


def _restarts(history: History, case: Evidence, at: datetime) -> list[Fact]:
    counts = {pod: count for pod, count in restarts(case, case.until - 30 * MINUTE).items() if count > 0}
    parts = tuple(
        Part(pod, float(count)) for pod, count in sorted(counts.items(), key=lambda each: -each[1])[:MAX_PARTS]
    )
    name, title = history.question.name, history.question.title
    return (
        [Fact(name, f"{title} in 30 min", Unit.COUNT, float(sum(counts.values())), at, parts=parts)] if counts else []
    )


def _mean(history: History, case: Evidence, at: datetime) -> list[Fact]:
    """A mean of the inputs now, and in the hour before the trouble."""
    question, wholes = history.question, dict[float, float]()
    sums = dict[float, float]()
    for series, found in ((history.parts, sums), (history.wholes, wholes)):
        for each in series:
            for moment, value in each.finite:
                found[moment] = found.get(moment, 0.0) + value
    means = [(moment, value / wholes[moment]) for moment, value in sorted(sums.items()) if wholes.get(moment, 0.0) > 0]
    now = [value for moment, value in means if case.until - LATELY < moment <= case.until]
    before = [v for moment, v in means if case.onset and case.began - 60 * MINUTE <= moment < case.began - MINUTE]
    if not now:
        return []
    value = statistics.median(now)
    past = (Past("in the hour before it began", statistics.median(before)),) if before else ()
    verdict, why = verdict_of(question, value, ())
    if verdict is Verdict.NEUTRAL and past and value >= LONGER * past[0].value > 0:
        why = "far above before"
    if verdict is Verdict.NEUTRAL and past and question.unit is not Unit.RATIO and 0 < value * LONGER <= past[0].value:
        why = "far below before"
    return [Fact(question.name, question.title, question.unit, value, at, past, (), verdict, why, "inputs")]
