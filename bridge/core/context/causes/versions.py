"""One version is worse than the others.

Claim: this version fails. Evidence: since the onset its ratio is far above that of the other versions in the same
steps, by counts and a test, and all its pods share it. Refuted: it began to serve only after the onset (a rollback's
target above all), or one of its pods alone is bad. Confidence: likely, for the others beside it are the comparison.
"""

from __future__ import annotations

import math

from bridge.core.context.causes.wording import ago, claim, compared_words, listed, pods, relative, short_words
from bridge.core.context.counts import MIN_ALL, UNMOVED, Counts, alike, errors_apart, stands_out, summed, worse
from bridge.core.context.evidence import NOISE, SKEW, Evidence
from bridge.core.context.tables import Table
from bridge.core.facts import ChangeEvent, Confidence, Hypothesis


def version_fails(evidence: Evidence) -> Hypothesis | None:
    if evidence.symptom is None:
        return None
    found = [
        each
        for each in standing_out(evidence)
        if not _came_after(each[0], evidence) and not _one_pod_of_it(each[0], evidence)
    ]
    if not found:
        return None
    version, mine, others = max(found, key=lambda each: errors_apart(each[1], each[2]))
    names = sorted(name for name in evidence.symptom.table.by_version(*evidence.trouble) if name != version)
    since = _since(version, evidence)
    observed = compared_words(evidence, 1, mine, others, f"by {listed(names)}")
    text = f"{version}{f', {since},' if since else ''} {observed}"
    short = short_words(evidence, version, mine, others, names)
    return claim("version_fails", [text, rollback_words(version, evidence)], Confidence.LIKELY, short)


def compared(evidence: Evidence) -> list[tuple[str, Counts, Counts]]:
    """Each version since the onset, and the others in the steps in which it served."""
    if evidence.symptom is None:
        return []
    table, (since, until) = evidence.symptom.table, evidence.trouble
    served = table.by_version(since, until)
    return [(version, mine, _beside(table, version, since, until)) for version, mine in served.items()]


def versions_alike(evidence: Evidence) -> bool:
    """Whether at least two versions have the trouble alike: none of them is as everything was before."""
    moved = [(m, o) for _, m, o in compared(evidence) if min(m.ratio, o.ratio) > UNMOVED * evidence.before.ratio]
    return any(alike(mine, others) for mine, others in moved)


def standing_out(evidence: Evidence) -> list[tuple[str, Counts, Counts]]:
    """Versions that are worse than the others beside them, with both counts."""
    return [each for each in compared(evidence) if stands_out(each[1], each[2], evidence.before)]


def _beside(table: Table, version: str, since: float, until: float) -> Counts:
    served = {cell.at for cell in table.cells if cell.version == version and cell.all > 0}
    return table.counts(since, until, lambda cell: cell.at in served and cell.version not in ("", version))


def _came_after(version: str, evidence: Evidence) -> bool:
    began = evidence.versions.began.get(version)
    return evidence.onset is not None and began is not None and began > evidence.began + NOISE


def _one_pod_of_it(version: str, evidence: Evidence) -> bool:
    """Whether one of its pods has the trouble, and its other pods have not."""
    if evidence.symptom is None:
        return False
    by_pod = evidence.symptom.table.by(lambda cell: cell.pod if cell.version == version else "", *evidence.trouble)
    busy = {pod: counts for pod, counts in by_pod.items() if counts.all >= MIN_ALL / 3}
    if len(busy) < 2:
        return False
    worst = max(busy, key=lambda pod: busy[pod].ratio)
    return worse(busy[worst], summed(counts for pod, counts in busy.items() if pod != worst))


def _since(version: str, evidence: Evidence) -> str:
    """`deployed 11 min ago, 7 min before the errors began`; nothing for one that has served all the time."""
    deployed, seen = deployment_of(version, evidence), evidence.versions.began.get(version)
    told = deployed is not None and deployed.kind == "deploy"
    at = evidence.since(deployed) if deployed is not None else seen
    if at is None:
        return ""
    return f"{'deployed' if told else 'serving since'} {ago(at, evidence)} ago, {relative(at, evidence)}"


def deployment_of(version: str, evidence: Evidence) -> ChangeEvent | None:
    """The last one of this version that was not after the onset."""
    those = (c for c in evidence.changes if c.version == version and c.kind not in ("rollback", "retraining"))
    return next((c for c in those if c.at.timestamp() <= evidence.began + SKEW), None)


def rollback_words(version: str, evidence: Evidence) -> str:
    """`rollback under way: 2 of 3 pods back on 1.1.0, 0 of 120 bad there since`."""
    back = evidence.versions.back_from(version, evidence.began, evidence.until)
    rolled = next((c for c in evidence.changes if c.kind == "rollback" and c.at.timestamp() > evidence.began), None)
    if not back:
        return "" if rolled is None else f"rolled back to {rolled.version}" if rolled.version else "rolled back"
    running, now = evidence.versions.running(evidence.until), evidence.versions.pods(evidence.until)
    to = listed(sorted({now[pod] for pod in back}))
    under_way = f"rollback under way: {len(back)} of {len(now)} pods back on {to}"
    done = f"rolled back {ago(max(back.values()), evidence)} ago, all {pods(len(back))} are on {to}"
    return f"{under_way if running.get(version) else done}{_clean(back, evidence)}"


def _clean(back: dict[str, float], evidence: Evidence) -> str:
    """What those pods did since, but for the windows that still hold what they did before."""
    if evidence.symptom is None:
        return ""
    table = evidence.symptom.table
    since = table.counts(*evidence.trouble, lambda cell: cell.at > back.get(cell.pod, math.inf) + table.step)
    return f", {since.words} bad there since" if since.all >= MIN_ALL else ""
