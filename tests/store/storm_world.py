"""A bridge with one slow channel and a movable clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from bridge.core.incidents.transitions import Rules
from bridge.core.model import Alert, ChannelSpec, Incident
from bridge.core.ports import ChannelCapacity, Claim, Sent
from bridge.core.routing.tree import Route
from bridge.core.storms.detection import StormLimits
from bridge.store import Policy, StoreDeliveries, StoreReader, StoreStorms
from bridge.store.database import transaction
from bridge.store.receiving import receive_groups
from tests.builders import a_group, an_alert, at

#: Six waiting deliveries are a storm.
LIMITS = StormLimits(
    1.0, timedelta(seconds=5), at_least=5, suppressed_url="https://bridge.example.org/?channel=slack&held=storm"
)
TREE = Route(notify=("slack",), fallback=("mail",), fallback_after=timedelta(seconds=60))
CHANNELS = {"slack": ChannelSpec("slack"), "mail": ChannelSpec("mail", ("a@x.org", "b@x.org"), edits=False)}
POLICY = Policy(Rules(), TREE, CHANNELS, storms={"slack": LIMITS})
CAPACITY = ChannelCapacity("slack", 4, 1.0, 1, 60.0, LIMITS.begins_at)


class World:
    """The store, and a clock in seconds after noon."""

    def __init__(self, engine: sa.Engine, policy: Policy = POLICY) -> None:
        self.engine, self.policy, self.seconds = engine, policy, 1.0
        self.reader = StoreReader(engine)

    @property
    def now(self) -> datetime:
        return at(self.seconds)

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds

    def fire(self, count: int, severity: str = "warning", name: str = "Slow") -> None:
        """`count` groups at once."""
        self.receive(*(an_alert(f"{name}{number}", severity, group=name) for number in range(count)))

    def end(self, count: int, severity: str = "warning", name: str = "Slow") -> None:
        ends = self.seconds
        self.receive(*(an_alert(f"{name}{number}", severity, ends=ends, group=name) for number in range(count)))

    def receive(self, *alerts: Alert) -> None:
        groups = [a_group(each, key=each.name, external_url="") for each in alerts]
        groups = [
            replace(each, group_labels={"alertname": alert.labels["group"]})
            for each, alert in zip(groups, alerts, strict=True)
        ]
        with transaction(self.engine) as connection:
            receive_groups(connection, self.policy, groups, self.now)

    def watch(self) -> list[str]:
        """As a worker that has just started."""
        return StoreStorms(self.engine, lambda: self.policy).watch(self.now)

    def claim(self, capacity: ChannelCapacity = CAPACITY) -> list[Claim]:
        return StoreDeliveries(self.engine, "w", lambda: self.policy).claim([capacity], self.now)

    def settle(self, *claims: Claim) -> None:
        settled = [(claim, Sent({"ts": str(claim.incident_number)})) for claim in claims]
        StoreDeliveries(self.engine).settle(settled, self.now)

    def send(self, capacity: ChannelCapacity = CAPACITY) -> list[str]:
        """Sends for one second; returns the titles of the messages."""
        claims = self.claim(capacity)
        self.settle(*claims)
        self.pass_time(1)
        return [self.incident(claim.incident_number).title for claim in claims]

    def send_all(self, seconds: int, capacity: ChannelCapacity = CAPACITY) -> list[str]:
        return [title for _ in range(seconds) for title in self.send(capacity)]

    def incident(self, number: int) -> Incident:
        found = self.reader.incident(number)
        assert found is not None
        return found

    def digest(self) -> Incident:
        """The newest."""
        numbers = [each.number for each in self.reader.list_incidents() if each.title.startswith("Storm on")]
        return self.incident(max(numbers))

    def headline(self) -> str:
        (alert,) = self.digest().alerts.values()
        return alert.annotations["summary"]

    def status_of(self, number: int) -> tuple[str, str]:
        (found,) = [each for each in self.reader.deliveries(number) if each.channel == "slack"]
        return found.status, found.why

    def texts(self, number: int) -> list[str]:
        return [entry.text for entry in self.reader.timeline(number)]
