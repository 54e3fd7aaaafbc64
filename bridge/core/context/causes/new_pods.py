"""Pods that were started together have the trouble, and the older ones do not.

Claim: the new pods fail. Evidence: they started from just before the onset on, each of them is far worse than the older
ones together, by counts. Refuted: an older one has it, too. They may be most of the pods, as after scaling up.
Confidence: likely, for the older ones are the comparison.
"""

from __future__ import annotations

from bridge.core.context.causes.pods import FEW, compared_pods, last_starts
from bridge.core.context.causes.wording import ago, claim, pods, verb
from bridge.core.context.counts import MIN_ALL, stands_out, summed
from bridge.core.context.evidence import JUST_BEFORE, SKEW, Evidence
from bridge.core.facts import Confidence, Hypothesis

FEWEST = 2  #: of a single pod, pod_fails says that it restarted


def new_pods_fail(evidence: Evidence) -> Hypothesis | None:
    starts, by_pod = last_starts(evidence), compared_pods(evidence)
    new = [pod for pod in by_pod if pod in starts and -SKEW <= evidence.began - starts[pod] <= JUST_BEFORE]
    older = [pod for pod in by_pod if pod in starts and pod not in new]
    if evidence.onset is None or len(new) < FEWEST or len(new) + len(older) < len(by_pod):
        return None
    mine, rest = summed(by_pod[pod] for pod in new), summed(by_pod[pod] for pod in older)
    trouble = [by_pod[pod] for pod in older if by_pod[pod].all >= MIN_ALL and by_pod[pod].ratio > FEW * mine.ratio]
    if trouble or not all(stands_out(by_pod[pod], rest, evidence.before) for pod in new):
        return None
    who = f"The {pods(len(new))} that started {ago(max(starts[pod] for pod in new), evidence)} ago"
    against = f"{mine.words} against {rest.words} on the {len(older)} older {'one' if len(older) == 1 else 'ones'}"
    observed = f"{who} {verb(evidence, len(new))} ({against})"
    return claim("new_pods_fail", [observed], Confidence.LIKELY, f"only the {pods(len(new))} that just started")
