"""What probably happened, from facts and changes: fixed rules, the most telling first.

Invariant: no evidence, no guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.facts import ChangeEvent, Fact, Hypothesis, Unit, Verdict
from bridge.core.numbers import in_words, measured, shown, times

MOSTLY = 0.8  #: this share of the errors points at one version or pod
SURGE = 3.0  #: this many times the usual traffic is worth a sentence of its own
OVERLOAD = 2.0  #: and this many, when the service is saturated as well
SLACK = timedelta(minutes=2)  #: a deployment is announced a little after it began to act


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rules may look at. window: how long before its start an incident's cause is looked for."""

    facts: Sequence[Fact]
    changes: Sequence[ChangeEvent]
    started_at: datetime
    window: timedelta
    changes_known: bool = True

    def fact(self, role: str) -> Fact | None:
        return next((fact for fact in self.facts if fact.role == role), None)

    def suspects(self) -> list[ChangeEvent]:
        """Changes shortly before the start, the newest first."""
        first, last = self.started_at - self.window, self.started_at + SLACK
        return sorted((c for c in self.changes if first <= c.at <= last), key=lambda c: c.at, reverse=True)


def hypothesis_of(evidence: Evidence) -> Hypothesis | None:
    """What the first rule says that has anything to say."""
    return next((found for rule in RULES if (found := rule(evidence)) is not None), None)


def new_version_fails(evidence: Evidence) -> Hypothesis | None:
    """Most errors come from one of several versions, and that one was deployed shortly before."""
    errors = evidence.fact("errors_by_version")
    version, share = _leader(errors)
    others = _others(evidence, version)
    if errors is None or not version or share < MOSTLY or not others:
        return None
    change = next((c for c in evidence.suspects() if c.version == version), None)
    told = f"{shown(share, Unit.RATIO)} of the {_what(errors)} come from {version}"
    beside = f"{_list(others)} {'runs' if len(others) == 1 else 'run'} beside it"
    if change is None:
        return Hypothesis("one_version_fails", f"{told}; {beside}.", (told, beside))
    deployed = _before(change, evidence.started_at)
    return Hypothesis("new_version_fails", f"{deployed}; {told}, {beside}.", (deployed, told, beside))


def one_pod_fails(evidence: Evidence) -> Hypothesis | None:
    """Most errors come from one of several pods."""
    errors = evidence.fact("errors_by_pod")
    pod, share = _leader(errors)
    if errors is None or share < MOSTLY or len(errors.parts) < 2:
        return None
    told = f"{shown(share, Unit.RATIO)} of the {_what(errors)} come from {pod}"
    rest = f"the other {len(errors.parts) - 1} {'is' if len(errors.parts) == 2 else 'are'} nearly free of them"
    return Hypothesis("one_pod_fails", f"{told}; {rest}.", (told, rest))


def overload(evidence: Evidence) -> Hypothesis | None:
    """Much more traffic than is usual; with less of it, only if the service is saturated as well."""
    traffic, full = evidence.fact("traffic"), evidence.fact("saturation")
    usual = next((past.value for past in traffic.past), 0.0) if traffic else 0.0
    if traffic is None or traffic.value is None or usual <= 0:
        return None
    factor = traffic.value / usual
    saturated = full is not None and full.verdict is Verdict.BAD and full.value is not None
    if factor < (OVERLOAD if saturated else SURGE):
        return None
    told = [f"{traffic.title}: {times(factor)} what is usual ({shown(traffic.value, traffic.unit)})"]
    if full is not None and saturated:
        told.append(f"{full.title.lower()}: {shown(full.value or 0.0, full.unit)}")
    return Hypothesis("overload" if saturated else "traffic_surge", f"{'; '.join(told)}.", tuple(told))


def pods_missing(evidence: Evidence) -> Hypothesis | None:
    """Fewer pods serve than there should be."""
    pods = evidence.fact("pods_up")
    if pods is None or pods.verdict is not Verdict.BAD or pods.value is None or pods.of is None:
        return None
    told = f"{pods.title}: {measured(pods)}"
    change = next(iter(evidence.suspects()), None)
    before = [] if change is None else [_before(change, evidence.started_at)]
    return Hypothesis("pods_missing", f"{'; '.join([told, *before])}.", (told, *before))


def inputs_drifted(evidence: Evidence) -> Hypothesis | None:
    """The drift score is bad, and the model is the same as before."""
    drift = evidence.fact("drift")
    if drift is None or drift.verdict is not Verdict.BAD or drift.value is None:
        return None
    if evidence.suspects() or not evidence.changes_known:
        return None
    told = f"{drift.title} is {shown(drift.value, drift.unit)} ({drift.why})"
    same = f"nothing was deployed in the {in_words(evidence.window)} before"
    return Hypothesis("inputs_drifted", f"{told} and {same}: the inputs have changed.", (told, same))


def changed_before(evidence: Evidence) -> Hypothesis | None:
    """Something was changed shortly before, and nothing says more."""
    change = next(iter(evidence.suspects()), None)
    if change is None:
        return None
    told = _before(change, evidence.started_at)
    versions = evidence.fact("pods_by_version")
    alone = versions is not None and [part.name for part in versions.parts if part.value > 0] == [change.version]
    note = "; every pod runs it, so there is nothing to compare it with" if alone else ""
    return Hypothesis("changed_before", f"{told}{note}.", (told,))


RULES: tuple[Callable[[Evidence], Hypothesis | None], ...] = (
    new_version_fails,
    one_pod_fails,
    overload,
    pods_missing,
    inputs_drifted,
    changed_before,
)


def _what(fact: Fact) -> str:
    """`Errors by pod` are errors, once it is said of which pod."""
    return fact.title.partition(" by ")[0].lower()


def _leader(fact: Fact | None) -> tuple[str, float]:
    """The largest part and its share of all; nothing when there is nothing to share."""
    parts = sorted(fact.parts, key=lambda part: part.value, reverse=True) if fact else []
    total = sum(part.value for part in parts)
    return (parts[0].name, parts[0].value / total) if parts and total > 0 else ("", 0.0)


def _others(evidence: Evidence, version: str) -> list[str]:
    """The other versions that run now."""
    found = (evidence.fact("pods_by_version"), evidence.fact("errors_by_version"))
    names = {part.name for fact in found if fact for part in fact.parts if part.name and part.name != version}
    running = evidence.fact("pods_by_version")
    alive = {part.name for part in running.parts if part.value > 0} if running else names
    return sorted(names & alive)


def _before(change: ChangeEvent, started_at: datetime) -> str:
    what = f"{change.version} was deployed" if change.kind == "deploy" and change.version else change.summary
    gap = started_at - change.at
    when = f"{in_words(gap)} before" if gap >= timedelta(0) else f"{in_words(-gap)} after the start"
    return f"{what} {when}"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
