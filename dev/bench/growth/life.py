"""A bridge without its processes: incidents live through the store's own interfaces, whatever the schema is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from bridge.core.incidents.transitions import Rules
from bridge.core.model import Alert, ChannelSpec, Group, Severity, Status
from bridge.core.ports import ChannelCapacity, Claim, Sent
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreDeliveries, StoreIntake

NAMES = 40
LASTS = timedelta(minutes=15)  #: an incident
CHANNELS = ("pagerduty", "slack", "email")
POLICY = Policy(
    Rules(),
    Route(notify=CHANNELS),
    {"pagerduty": ChannelSpec("pagerduty"), "slack": ChannelSpec("slack"), "email": ChannelSpec("email", ("a@x.org",))},
)
WORDS = {"summary": "Something is wrong, in about as many words as a summary usually has"}


class Life:
    """Of one database, at a time that is set."""

    def __init__(self, engine: sa.Engine, now: datetime) -> None:
        self.engine, self.now = engine, now
        self.intake = StoreIntake(engine, lambda: POLICY, lambda: self.now)
        self.deliveries = StoreDeliveries(engine, "bench", lambda: POLICY)

    def receive(self, groups: Iterable[Group]) -> None:
        for group in groups:
            self.intake.accept(group)

    def claim(self, limit: int = 32) -> list[Claim]:
        """limit: of each channel."""
        capacities = [ChannelCapacity(channel, limit, None, limit, 60.0) for channel in CHANNELS]
        return self.deliveries.claim(capacities, self.now)

    def settle(self, claims: Sequence[Claim]) -> None:
        sent = [(claim, Sent({"ts": f"1700000000.{claim.incident_number:06}"})) for claim in claims]
        self.deliveries.settle(sent, self.now)

    def deliver(self) -> Iterator[int]:
        """How many each time, until nothing waits."""
        while claims := self.claim():
            self.settle(claims)
            yield len(claims)

    def live(self, subjects: Sequence[int], *, end: bool = True) -> None:
        """Of each subject an incident of three alerts, and its end, delivered everywhere."""
        began = self.now
        self._stage([group(subject, began) for subject in subjects])
        if end:
            self.now = began + LASTS
            self._stage([group(subject, began, ended=self.now) for subject in subjects])

    def _stage(self, groups: Iterable[Group]) -> None:
        self.receive(groups)
        for _ in self.deliver():
            pass


def group(subject: int, began: datetime, alerts: int = 3, ended: datetime | None = None) -> Group:
    """What Alertmanager says of it."""
    name, service = f"Alert{subject % NAMES}", f"service-{subject // NAMES}"
    severity = list(Severity)[subject % 3]
    labels = {"alertname": name, "service": service, "severity": severity.value, "namespace": "ml"}
    listed = [
        Alert(
            fingerprint=f"{subject}-{pod}",
            status=Status.RESOLVED if ended else Status.FIRING,
            labels={**labels, "pod": f"{service}-{pod}"},
            annotations=WORDS,
            starts_at=began,
            ends_at=ended,
            severity=severity,
        )
        for pod in range(alerts)
    ]
    group_labels = {"alertname": name, "service": service}
    return Group("prod", "bridge", f"{{}}:{{{name}, {service}}}", group_labels, tuple(listed))
