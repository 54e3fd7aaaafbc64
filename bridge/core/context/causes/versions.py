"""One version is worse than the others.

Claim: this version fails. Evidence: since the onset its ratio is far above that of the other versions in the same
steps, by counts and a test, and all its pods share it. Refuted: it began to serve only after the onset (a rollback's
target above all), or one of its pods alone is bad. What a version served before the onset, until it ended, is no
comparison; what came later, as a rollback or a hotfix, is counted by itself. Confidence: likely, for the others
beside it are the comparison.
"""

from __future__ import annotations

import math

from bridge.core.context.causes.wording import ago, claim, compared_words, listed, pods, relative, short_words, verb
from bridge.core.context.counts import MIN_ALL, UNMOVED, Counts, alike, errors_apart, stands_out, summed, worse
from bridge.core.context.evidence import MINUTE, NOISE, SKEW, Evidence
from bridge.core.context.tables import Table
from bridge.core.facts import ChangeEvent, Confidence, Hypothesis

WINDOW = 2 * MINUTE  #: until then pods that changed are not seen to have


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
    reported = deployed is not None and deployed.kind == "deploy"
    at = evidence.since(deployed) if deployed is not None else seen
    if at is None:
        return ""
    return f"{'deployed' if reported else 'serving since'} {ago(at, evidence)} ago, {relative(at, evidence)}"


def deployment_of(version: str, evidence: Evidence) -> ChangeEvent | None:
    """The last one of this version that was not after the onset."""
    those = (c for c in evidence.changes if c.version == version and c.kind not in ("rollback", "retraining"))
    return next((c for c in those if c.at.timestamp() <= evidence.began + SKEW), None)


def later_words(version: str, evidence: Evidence) -> str:
    """`2.4.1 came later and fails as well (298 of 2,086)`: no hotfix helped."""
    if evidence.symptom is None:
        return ""
    served = evidence.symptom.table.by_version(*evidence.trouble)
    later = sorted(name for name in evidence.versions.after(version) if _as_bad(served.get(name), version, evidence))
    each = ", ".join(f"{name}: {served[name].words}" for name in later) if len(later) > 1 else ""
    counts = each or (served[later[0]].words if later else "")
    return f"{listed(later)} came later and {verb(evidence, len(later))} as well ({counts})" if later else ""


def rollback_words(version: str, evidence: Evidence) -> str:
    """`rollback under way: 2 of 3 pods back on 1.1.0, 0 of 120 bad there since`."""
    back = evidence.versions.back_from(version, evidence.began, evidence.until)
    rolled = next((c for c in evidence.changes if c.kind == "rollback" and c.at.timestamp() > evidence.began), None)
    running, now = evidence.versions.running(evidence.until), evidence.versions.pods(evidence.until)
    if not back:
        return _only_reported(rolled, version, running, evidence) if rolled is not None else ""
    to = listed(sorted({now[pod] for pod in back}))
    under_way = f"rollback under way: {len(back)} of {len(now)} pods back on {to}"
    done = f"rolled back {ago(_back_since(back, rolled), evidence)} ago, all {pods(len(back))} are on {to}"
    there = _there(back, evidence)
    helped = f", {there.words} bad there since" if there.all >= MIN_ALL else ""
    in_vain = f", which {verb(evidence)} as well ({there.words} since)"
    return f"{under_way if running.get(version) else done}{in_vain if back_in_vain(version, evidence) else helped}"


def back_in_vain(version: str, evidence: Evidence) -> bool:
    """Whether the pods that went back from it have the trouble as before, or what it was rolled back to has."""
    back = evidence.versions.back_from(version, evidence.began, evidence.until)
    if back:
        return _as_bad(_there(back, evidence), version, evidence)
    return any(_as_bad(counts, version, evidence) for counts in _rolled_back_to(evidence).values())


def came_later(version: str, evidence: Evidence) -> set[str]:
    """The versions that came after this one, again or for the first time, while the trouble was there."""
    if evidence.symptom is None:
        return set()
    table, (since, until) = evidence.symptom.table, evidence.trouble
    at_first = table.by_version(since, since + 3 * table.step)
    again = {name for name in table.by_version(since, until) if name not in at_first}
    return (again | evidence.versions.after(version)) - {version}


def _rolled_back_to(evidence: Evidence) -> dict[str, Counts]:
    """What the versions of reported rollbacks served since."""
    if evidence.symptom is None:
        return {}
    rolled = {c.version for c in evidence.changes if c.kind == "rollback" and c.at.timestamp() > evidence.began}
    served = evidence.symptom.table.by_version(*evidence.trouble)
    return {name: served[name] for name in rolled & set(served) if name in came_later("", evidence)}


def _as_bad(other: Counts | None, version: str, evidence: Evidence) -> bool:
    mine = evidence.symptom.table.by_version(*evidence.trouble).get(version) if evidence.symptom else None
    return mine is not None and other is not None and other.enough and alike(mine, other)


def _only_reported(rolled: ChangeEvent, version: str, running: dict[str, int], evidence: Evidence) -> str:
    """A rollback that was not seen: just now, or it did not happen."""
    to = f" to {rolled.version}" if rolled.version else ""
    at = rolled.at.timestamp()
    served = _rolled_back_to(evidence).get(rolled.version)
    if served is not None and _as_bad(served, version, evidence):
        return f"rollback{to} reported {ago(at, evidence)} ago, which {verb(evidence)} as well ({served.words} since)"
    if list(running) != [version] or rolled.version == version or evidence.until - at < WINDOW:
        return f"rollback{to} reported {ago(at, evidence)} ago"
    count = running[version]
    pods_still = f"all {pods(count)} still run" if count > 1 else "the pod still runs"
    return f"rollback{to} reported {ago(at, evidence)} ago, {pods_still} {version}"


def _back_since(back: dict[str, float], rolled: ChangeEvent | None) -> float:
    """As reported, if that is when the last of these pods was seen to change."""
    seen = max(back.values())
    said = rolled.at.timestamp() if rolled is not None else seen
    return said if abs(seen - said) <= 2 * WINDOW else seen


def _there(back: dict[str, float], evidence: Evidence) -> Counts:
    """What those pods did since, but for the windows that still hold what they did before."""
    if evidence.symptom is None:
        return Counts()
    table = evidence.symptom.table
    return table.counts(*evidence.trouble, lambda cell: cell.at > back.get(cell.pod, math.inf) + table.step)
