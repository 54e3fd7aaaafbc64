"""Much of the traffic vanished, and the failures stayed: their share rose, and not their number.

Claim: the good traffic is gone, look at where it comes from. Evidence: all requests fell far as the share began to
rise, and no more fail in a minute than before, by counts. Refuted: more of them fail. Likely with a known onset.
"""

from __future__ import annotations

import math

from bridge.core.context.causes.wording import claim, relative
from bridge.core.context.counts import MIN_BAD
from bridge.core.context.evidence import MINUTE, Evidence
from bridge.core.context.tables import Table
from bridge.core.facts import Confidence, Hypothesis, Unit
from bridge.core.numbers import shown

FELL = 0.5  #: of what was before
AS_MANY = 1.25  #: times as many bad ones in a minute
LOOKED_BACK = 60 * MINUTE


def traffic_fell(evidence: Evidence) -> Hypothesis | None:
    symptom = evidence.symptom
    if symptom is None or symptom.role == "outputs" or evidence.onset is None:
        return None
    table, (since, until) = symptom.table, evidence.trouble
    before, after = evidence.before, table.counts(since + table.step, until)
    times = _steps(table, since - LOOKED_BACK, since - table.step), _steps(table, since + table.step, until)
    if not all(times) or min(before.bad, after.bad) < MIN_BAD or before.all <= 0:
        return None
    left = (after.all / times[1]) / (before.all / times[0])
    expected = before.bad / times[0] * times[1]
    if left > FELL or after.bad > AS_MANY * expected + 2 * math.sqrt(expected):
        return None
    fell = f"the traffic fell to {shown(left, Unit.RATIO)} of what it was, {relative(since, evidence)}"
    a_minute = [each.bad / steps * MINUTE / table.step for each, steps in zip((before, after), times, strict=True)]
    same = f"{symptom.title.lower()}: {a_minute[1]:.2g} a minute, {a_minute[0]:.2g} before"
    short = f"traffic fell to {shown(left, Unit.RATIO)}, no more failures a minute than before"
    return claim("traffic_fell", [fell, same], Confidence.LIKELY, short, "Not more failures, but fewer requests: ")


def _steps(table: Table, since: float, until: float) -> int:
    return len({cell.at for cell in table.between(since, until)})
