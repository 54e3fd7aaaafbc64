"""Deliveries that were given up: why, what a responder can do about it, and their replay. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from bridge.core.delivery.delivery import Delivery
from bridge.core.errors import Reason


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One delivery that is not tried any more."""

    incident_number: int
    title: str
    state: str  #: of the incident
    severity: str
    channel: str
    recipient: str
    since: datetime  #: when it was given up; where that is unknown, when its incident changed last
    attempts: int
    reason: Reason | None  #: None: unknown
    detail: str  #: what the vendor said
    refused: str  #: what was to be sent, as far as it was composed; without secrets

    @property
    def advice(self) -> Advice:
        return ADVICE.get(self.reason, _UNKNOWN) if self.reason else _UNKNOWN


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """None is any."""

    incident_number: int | None = None
    channel: str | None = None
    reason: Reason | None = None


def replay(delivery: Delivery, *, resolved: bool, now: datetime) -> Delivery:
    """Try a dead letter again, at once, with what is true now. resolved: its incident is.

    A channel that no route names any more was not notified of the end, so its delivery may still say `firing`.
    """
    return replace(
        delivery, firing=delivery.firing and not resolved, pending=True, due_at=now, attempts=0, shrink=False,
        failed_at=None, alone=0, dead=False, dead_reason=None, dead_at=None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Advice:
    why: str
    what_to_do: str


_UNKNOWN = Advice("It could not be delivered.", "Read what the vendor said, mend that, then replay it.")
_PASSING = "This passes by itself and is no reason to give up: replay it, and report it as a fault of the bridge."
ADVICE: Mapping[Reason, Advice] = MappingProxyType(
    {
        Reason.PAYLOAD: Advice(
            "The vendor refused this message, and the smallest one that can be made of it, too.",
            "Compare what was refused with what the vendor said; mend the template or the channel's settings "
            "(`bridge preview`), then replay it.",
        ),
        Reason.DESTINATION: Advice(
            "The place it goes to does not exist, or takes nothing from the bridge.",
            "Look at the channel in routes.yaml: the Slack channel (renamed, archived, bot not invited), the mail "
            "address, the base URL. Try it with `bridge send-test`, then replay it.",
        ),
        Reason.BUG: Advice(
            "The bridge itself failed while it made or sent the message.",
            "The worker's log has the traceback (`send_bug`). Replay it after the mend or an upgrade.",
        ),
        Reason.CREDENTIAL: Advice(
            "The vendor refused the key, token or password.",
            "Put a valid one in its place, reload the configuration, then replay it.",
        ),
        Reason.NETWORK: Advice("The vendor could not be reached.", _PASSING),
        Reason.SERVER: Advice("The vendor failed.", _PASSING),
        Reason.RATE_LIMITED: Advice("The vendor asked to wait.", _PASSING),
    }
)
