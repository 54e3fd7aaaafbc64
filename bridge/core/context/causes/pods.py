"""Single pods: one that fails, those that are missing, and those that restarted.

- `no_pods`. Claim: nothing answers Prometheus. Evidence: pods were up before, none is now. It comes before everything.
- `pod_fails`. Claim: these pods fail and the others do not. Evidence: counts since the onset, each of them far worse
  than the others together. Refuted: the others are bad, too. Likely, for the others are the comparison.
- `pods_missing`. Claim: fewer pods than before. Evidence: a target that is down, or fewer of them since about the
  onset. Likely if the alert is about pods or they went at the onset. Fewer targets alone may be a smaller scale.
- `pods_restarted`. Claim: one pod restarts again and again, or all of them restarted just before the onset.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bridge.core.context.causes.traffic import rise_of_each
from bridge.core.context.causes.wording import ago, change_words, claim, compared_words, listed, others_of, relative
from bridge.core.context.counts import MIN_ALL, UNMOVED, Counts, alike, stands_out, summed
from bridge.core.context.evidence import JUST_BEFORE, MINUTE, SKEW, Evidence
from bridge.core.context.up_pods import UpPods, up_pods
from bridge.core.facts import Confidence, Hypothesis, Onset, Unit, Verdict
from bridge.core.numbers import in_words, measured, shown, times

FEW = 0.34  #: of the others' ratio against that of the failing: then the others do not have the trouble
LOOPS = 3  #: restarts of one pod within half an hour
FULL = 0.9  #: of the memory limit
MORE = 1.25  #: times the requests of before
BUSY = 1.6  #: times a pod's part of the requests


def no_pods(evidence: Evidence) -> Hypothesis | None:
    up = up_pods(evidence)
    if up is None or up.now or not up.expected:
        return None
    since = f" for {ago(up.since, evidence)}" if up.since is not None else ""
    nothing = "The only pod does not answer" if up.expected == 1 else f"0 of {up.expected} pods answer"
    observed = f"{nothing} Prometheus{since}"
    traceless = not up.down and evidence.symptom is not None  # or Prometheus itself was away
    confidence = Confidence.POSSIBLE if traceless else Confidence.LIKELY
    return claim("no_pods", [observed, _change_beside(up, evidence)], confidence)


def pod_fails(evidence: Evidence) -> Hypothesis | None:
    if evidence.symptom is None:
        return None
    by_pod, failing = compared_pods(evidence), failing_pods(evidence)
    if not failing:
        return None
    rest = summed(counts for pod, counts in by_pod.items() if pod not in failing)
    mine, others = summed(by_pod[pod] for pod in failing), len(by_pod) - len(failing)
    if not others:
        return None
    observed = f"{listed(failing)} {compared_words(evidence, len(failing), mine, rest, f'on {others_of(others)}')}"
    return claim("pod_fails", [observed, _about(failing, evidence)], Confidence.LIKELY, f"only on {listed(failing)}")


def pods_went(evidence: Evidence) -> list[Onset]:
    """When the first of the missing pods was gone; nothing if none is missing."""
    up, history = up_pods(evidence), evidence.histories.get("targets")
    if up is None or history is None or up.since is None or not up.missing:
        return []
    return [Onset(datetime.fromtimestamp(up.since, UTC), history.question.title)]


def failing_pods(evidence: Evidence) -> list[str]:
    """The fewest pods without which the rest is fine; at most half of them."""
    by_pod = compared_pods(evidence)
    ordered = sorted(by_pod, key=lambda pod: by_pod[pod].ratio, reverse=True)
    for count in range(1, len(ordered) // 2 + 1):
        failing, others = ordered[:count], [by_pod[pod] for pod in ordered[count:]]
        rest = summed(others)
        limit = max(FEW * by_pod[failing[-1]].ratio, UNMOVED * evidence.before.ratio)
        fine = rest.ratio <= limit and not any(each.all >= MIN_ALL and each.ratio > 1.5 * limit for each in others)
        if fine and all(stands_out(by_pod[pod], rest, evidence.before) for pod in failing):
            return sorted(failing)
    return []


def compared_pods(evidence: Evidence) -> dict[str, Counts]:
    """Those that serve until the end, or were bad while they did: one that died at the onset is no comparison."""
    if evidence.symptom is None:
        return {}
    since, until = evidence.trouble
    by_pod = evidence.symptom.table.by_pod(since, until)
    lately = evidence.symptom.table.by_pod((since + until) / 2, until)
    return {pod: counts for pod, counts in by_pod.items() if pod in lately or counts.enough}


def pods_alike(evidence: Evidence) -> bool:
    """Whether at least two pods have enough to compare, and all of those have the trouble alike."""
    if evidence.symptom is None:
        return False
    busy = [counts for counts in evidence.symptom.table.by_pod(*evidence.trouble).values() if counts.all >= MIN_ALL]
    worst = max(busy, key=lambda counts: counts.ratio, default=Counts())
    return len(busy) >= 2 and all(alike(each, worst) for each in busy)


def pods_missing(evidence: Evidence) -> Hypothesis | None:
    up, about_pods = up_pods(evidence), evidence.symptom is None
    went = up is not None and _at_onset(up.since, evidence) and (up.down or _more_each(evidence))
    if up is not None and up.missing and (about_pods or went):
        return _missing(f"{up.now} of {up.expected} pods answer Prometheus", up, evidence)
    fact = evidence.fact("pods_up")
    if fact is None or fact.verdict is not Verdict.BAD or fact.value is None or fact.of is None:
        return None
    return _missing(f"{fact.title}: {measured(fact)}", up, evidence) if about_pods else None


def _missing(observed: str, up: UpPods | None, evidence: Evidence) -> Hypothesis:
    since = f" for {ago(up.since, evidence)}" if up is not None and up.since is not None else ""
    found = [
        f"{observed}{_not_these(up)}{since}",
        _looping(evidence),
        _more_each(evidence),
        _change_beside(up, evidence),
    ]
    return claim("pods_missing", found, Confidence.LIKELY, observed)


def _not_these(up: UpPods | None) -> str:
    return f", not {listed(up.down)}" if up is not None and up.down else ""


def _more_each(evidence: Evidence) -> str:
    """`each of them gets 1.8 x the requests of before`, while there are fewer of them."""
    rise = rise_of_each(evidence)
    more = rise is not None and rise.each and rise.factor >= MORE and _at_onset(rise.at, evidence)
    return f"each of them gets {times(rise.factor)} the requests of before" if rise is not None and more else ""


def pods_restarted(evidence: Evidence) -> Hypothesis | None:
    looping = _looping(evidence)
    if looping:
        return claim("pod_restarts", [looping], Confidence.LIKELY)
    starts = last_starts(evidence)
    together = [at for at in starts.values() if evidence.onset and -SKEW <= evidence.began - at <= JUST_BEFORE]
    if len(starts) < 2 or len(together) < len(starts):
        return None
    observed = f"All {len(starts)} pods restarted {relative(max(together), evidence)}"
    return claim("pods_restarted", [observed], Confidence.LIKELY)


def restarted_words(evidence: Evidence) -> str:
    """`all 3 pods restarted 11 min ago`; no change event may have reported it."""
    starts = list(last_starts(evidence).values())
    recent = [at for at in starts if at >= evidence.until - evidence.window.total_seconds()]
    if len(starts) < 2 or len(recent) < len(starts) or max(recent) - min(recent) > 10 * MINUTE:
        return ""
    return f"all {len(starts)} pods restarted {ago(max(starts), evidence)} ago"


def last_starts(evidence: Evidence) -> dict[str, float]:
    """When each pod that is there now started last (Unix seconds)."""
    gauge = evidence.gauge("starts")
    newest = max((points[-1][0] for points in gauge.values()), default=0.0)
    return {pod: points[-1][1] for pod, points in gauge.items() if points[-1][0] >= newest - 5 * MINUTE}


def restarts(evidence: Evidence, since: float) -> dict[str, int]:
    """How often each pod restarted since then."""
    found = {}
    for pod, points in evidence.gauge("starts").items():
        found[pod] = len({round(value) for at, value in points if value >= since and at >= since})
        if points[0][1] >= since:
            found[pod] -= 1  # its first start
    return found


def _looping(evidence: Evidence) -> str:
    since = evidence.until - 30 * MINUTE
    counts = restarts(evidence, since)
    pod = max(counts, key=lambda each: counts[each], default="")
    if not pod or counts[pod] < LOOPS:
        return ""
    memory = max((value for at, value in evidence.gauge("memory").get(pod, []) if at >= since), default=0.0)
    full = f", its memory had reached {shown(memory, Unit.RATIO)} of its limit" if memory >= FULL else ""
    return f"{pod} restarted {counts[pod]} times in 30 min{full}"


def _about(failing: list[str], evidence: Evidence) -> str:
    """What else is special about these pods: restarts, a restart just before, far more requests, their own version."""
    looping = _looping(evidence)
    if looping and looping.split()[0] in failing:
        return looping
    starts, served = last_starts(evidence), evidence.versions.pods(evidence.until)
    fresh = [pod for pod in failing if pod in starts and -SKEW <= evidence.began - starts[pod] <= JUST_BEFORE]
    if evidence.onset and len(fresh) == len(failing):
        return f"restarted {relative(max(starts[pod] for pod in fresh), evidence)}"
    if evidence.symptom is not None and len(failing) == 1:
        by_pod = evidence.symptom.table.by_pod(*evidence.trouble)
        share = by_pod[failing[0]].all / max(1.0, summed(by_pod.values()).all)
        if share >= BUSY / len(by_pod):
            return f"it gets {shown(share, Unit.RATIO)} of the requests"
    mine, others = {served.get(pod, "") for pod in failing}, {v for pod, v in served.items() if pod not in failing}
    return f"they alone serve {listed(sorted(mine))}" if others and "" not in mine and not mine & others else ""


def _at_onset(at: float | None, evidence: Evidence) -> bool:
    return at is not None and -SKEW <= evidence.began - at <= JUST_BEFORE


def _change_beside(up: UpPods | None, evidence: Evidence) -> str:
    """A change just before the pods went."""
    gone = up.since if up is not None and up.since is not None else evidence.began
    near = [c for c in evidence.changes if c.kind != "retraining" and -SKEW <= gone - c.at.timestamp() <= 10 * MINUTE]
    if not near:
        return ""
    gap = gone - near[0].at.timestamp()
    when = f"{in_words(timedelta(seconds=gap))} before that" if gap >= MINUTE else "at that time"
    return f"{change_words(near[0])} {when}"
