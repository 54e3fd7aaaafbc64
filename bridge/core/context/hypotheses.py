"""The probable cause, from facts and changes: fixed rules, the most specific first.

Invariant: without evidence there is no hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.context import probe_rules
from bridge.core.context.probe import PROBE
from bridge.core.facts import ChangeEvent, Fact, Hypothesis, Unit, Verdict
from bridge.core.numbers import in_words, measured, shown, times

MOSTLY = 0.8  #: this share of the errors points at one version or pod
SURGE = 3.0  #: so many times the usual traffic is a cause by itself
OVERLOAD = 2.0  #: so many times is a cause if the service is saturated too
SLACK = timedelta(minutes=2)  #: a deployment may be reported shortly after it took effect


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rules see. window: how far before an incident's start its cause may lie."""

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
    """The hypothesis of the first rule that applies."""
    return next((found for rule in RULES if (found := rule(evidence)) is not None), None)


def new_version_fails(evidence: Evidence) -> Hypothesis | None:
    """Most errors come from one of several versions, and that one was deployed shortly before."""
    errors = evidence.fact("errors_by_version")
    version, share = _leader(errors)
    others = _others(evidence, version)
    if errors is None or not version or share < MOSTLY or not others:
        return None
    change = next((c for c in evidence.suspects() if c.version == version), None)
    observed = f"{shown(share, Unit.RATIO)} of the {_what(errors)} come from {version}"
    others_run = f"{_list(others)} {'runs' if len(others) == 1 else 'run'} beside it"
    if change is None:
        return Hypothesis("one_version_fails", f"{observed}; {others_run}.", (observed, others_run))
    deployed = _before(change, evidence.started_at)
    return Hypothesis("new_version_fails", f"{deployed}; {observed}, {others_run}.", (deployed, observed, others_run))


def one_pod_fails(evidence: Evidence) -> Hypothesis | None:
    """Most errors come from one of several pods."""
    errors = evidence.fact("errors_by_pod")
    pod, share = _leader(errors)
    if errors is None or share < MOSTLY or len(errors.parts) < 2:
        return None
    observed = f"{shown(share, Unit.RATIO)} of the {_what(errors)} come from {pod}"
    rest = f"the other {len(errors.parts) - 1} {'is' if len(errors.parts) == 2 else 'are'} nearly free of them"
    return Hypothesis("one_pod_fails", f"{observed}; {rest}.", (observed, rest))


def overload(evidence: Evidence) -> Hypothesis | None:
    """Far more traffic than usual, or somewhat more while the service is saturated."""
    traffic, full = evidence.fact("traffic"), evidence.fact("saturation")
    usual = next((past.value for past in traffic.past), 0.0) if traffic else 0.0
    if traffic is None or traffic.value is None or usual <= 0:
        return None
    factor = traffic.value / usual
    saturated = full is not None and full.verdict is Verdict.BAD and full.value is not None
    if factor < (OVERLOAD if saturated else SURGE):
        return None
    parts = [f"{traffic.title}: {times(factor)} what is usual ({shown(traffic.value, traffic.unit)})"]
    if full is not None and saturated:
        parts.append(f"{full.title.lower()}: {shown(full.value or 0.0, full.unit)}")
    return Hypothesis("overload" if saturated else "traffic_surge", f"{'; '.join(parts)}.", tuple(parts))


def pods_missing(evidence: Evidence) -> Hypothesis | None:
    """Fewer pods are up than expected."""
    pods = evidence.fact("pods_up")
    if pods is None or pods.verdict is not Verdict.BAD or pods.value is None or pods.of is None:
        return None
    observed = f"{pods.title}: {measured(pods)}"
    change = next(iter(evidence.suspects()), None)
    before = [] if change is None else [_before(change, evidence.started_at)]
    return Hypothesis("pods_missing", f"{'; '.join([observed, *before])}.", (observed, *before))


def inputs_drifted(evidence: Evidence) -> Hypothesis | None:
    """The drift score is bad, and the model is the same as before."""
    drift = evidence.fact("drift")
    if drift is None or drift.verdict is not Verdict.BAD or drift.value is None:
        return None
    if evidence.suspects() or not evidence.changes_known:
        return None
    observed = f"{drift.title} is {shown(drift.value, drift.unit)} ({drift.why})"
    same = f"nothing was deployed in the {in_words(evidence.window)} before"
    return Hypothesis("inputs_drifted", f"{observed} and {same}: the inputs have changed.", (observed, same))


def model_changed(evidence: Evidence) -> Hypothesis | None:
    """Golden texts are answered otherwise than before."""
    suspects = [change for change in evidence.suspects() if change.version in probe_rules.bad_versions(evidence.facts)]
    return probe_rules.model_changed(evidence.facts, _before(suspects[0], evidence.started_at) if suspects else "")


def inputs_changed(evidence: Evidence) -> Hypothesis | None:
    """Golden texts are answered as before."""
    return probe_rules.inputs_changed(evidence.fact(PROBE), evidence.fact("drift"))


def changed_before(evidence: Evidence) -> Hypothesis | None:
    """A change shortly before, when no other rule applies."""
    change = next(iter(evidence.suspects()), None)
    if change is None:
        return None
    observed = _before(change, evidence.started_at)
    versions = evidence.fact("pods_by_version")
    alone = versions is not None and [part.name for part in versions.parts if part.value > 0] == [change.version]
    note = "; every pod runs it, so there is nothing to compare it with" if alone else ""
    return Hypothesis("changed_before", f"{observed}{note}.", (observed,))


RULES: tuple[Callable[[Evidence], Hypothesis | None], ...] = (
    new_version_fails,
    model_changed,
    one_pod_fails,
    overload,
    pods_missing,
    inputs_changed,
    inputs_drifted,
    changed_before,
)


def _what(fact: Fact) -> str:
    """`errors` from the title `Errors by pod`."""
    return fact.title.partition(" by ")[0].lower()


def _leader(fact: Fact | None) -> tuple[str, float]:
    """The largest part and its share of the total; ("", 0) without a total."""
    parts = sorted(fact.parts, key=lambda part: part.value, reverse=True) if fact else []
    total = sum(part.value for part in parts)
    return (parts[0].name, parts[0].value / total) if parts and total > 0 else ("", 0.0)


def _others(evidence: Evidence, version: str) -> list[str]:
    """The other running versions."""
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
