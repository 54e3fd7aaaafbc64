"""One target of one incident; name only what matters to the test."""

from __future__ import annotations

from dataclasses import replace

from bridge.core.delivery.delivery import Delivery, DesiredState
from bridge.core.model import Change, ChannelSpec, Incident, Severity, State, Target
from bridge.core.ports import Claim
from tests.builders import a_group, an_alert, at

PAGER = Target("pager")
CHANNELS = {"pager": ChannelSpec("pager")}


def an_incident(revision: int = 1, *, firing: bool = True) -> Incident:
    alert = an_alert() if firing else an_alert(ends=1)
    begun = Incident.begun(a_group(), "HighErrors", at(0), "uid")
    state = State.OPEN if firing else State.RESOLVED
    return replace(
        begun, number=7, revision=revision, state=state, severity=Severity.CRITICAL, alerts={alert.fingerprint: alert}
    )


def a_change(revision: int = 1, *, firing: bool = True, ends_only: bool = False) -> Change:
    return Change(an_incident(revision, firing=firing), (), (), ends_only=ends_only)


def desired(firing: bool = True, *, loud: bool = True, muted_by: str | None = None) -> DesiredState:
    return DesiredState(PAGER, firing, loud, muted_by=muted_by)


def a_delivery(**changes: object) -> Delivery:
    """Planned and never attempted."""
    first = Delivery(7, PAGER, 0, True, 1, at(0), at(0), at(0))
    return replace(first, **changes)  # type: ignore[arg-type]


def a_claim(delivery: Delivery, *, revision: int = 1, unknown: bool = False, began: float = 0) -> Claim:
    return Claim(
        incident=an_incident(revision), target=delivery.target, lease="w.1", revision=revision, sent=delivery.sent,
        firing=delivery.firing, attempts=delivery.attempts, unknown=unknown, shrink=delivery.shrink,
        wanted_at=delivery.wanted_at, attempted_at=None, handle=delivery.handle, claimed_at=at(began),
    )  # fmt: skip
