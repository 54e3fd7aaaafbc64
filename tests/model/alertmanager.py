"""An Alertmanager with one group of alerts for each incident: what fires, what is silenced, what was notified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.core.model import Alert, Group, Status
from bridge.core.reconciliation import AlertmanagerState, Listed, Silence
from tests.builders import NOON, a_group, an_alert

SEVERITIES = ("critical", "warning", "info")


@dataclass
class Watched:
    """One alert of one group. Its end is kept until the group was notified of it, as in Alertmanager."""

    alert: Alert
    firing: bool = False
    ended: bool = False
    silenced: bool = False


@dataclass
class Alertmanager:
    clock: Callable[[], datetime]
    groups: dict[str, dict[str, Watched]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for group in ("one", "two"):
            alerts = [an_alert(f"{severity}-{group}", severity) for severity in SEVERITIES]
            self.groups[group] = {alert.labels["severity"]: Watched(alert) for alert in alerts}

    def fire(self, group: str, severity: str) -> None:
        watched = self.groups[group][severity]
        if not watched.firing:
            watched.alert = replace(watched.alert, status=Status.FIRING, starts_at=self.clock(), ends_at=None)
            watched.firing, watched.ended = True, False

    def end(self, group: str, severity: str) -> None:
        watched = self.groups[group][severity]
        if watched.firing:
            watched.alert = replace(watched.alert, status=Status.RESOLVED, ends_at=self.clock())
            watched.firing, watched.ended = False, True

    def notification(self, group: str) -> Group | None:
        """None if the group has nothing to notify."""
        alerts = [
            each.alert for each in self.groups[group].values() if not each.silenced and (each.firing or each.ended)
        ]
        if not alerts:
            self.mark_notified(group)
            return None
        return replace(a_group(*alerts, key=group), group_labels={"alertname": group})

    def mark_notified(self, group: str) -> None:
        """Ended alerts are forgotten, silenced ones too: their end is never notified."""
        for each in self.groups[group].values():
            each.ended = False

    def state(self) -> AlertmanagerState:
        every = [each for group in self.groups.values() for each in group.values() if each.firing]
        listed = {each.alert.fingerprint: Listed(each.alert, ("s",) if each.silenced else ()) for each in every}
        return AlertmanagerState(NOON.replace(hour=0), listed, {"s": Silence("ada", None)})

    def notifiable(self, group: str) -> set[str]:
        """The severities of firing alerts that are not silenced."""
        return {name for name, each in self.groups[group].items() if each.firing and not each.silenced}

    def firing(self, group: str) -> set[str]:
        return {name for name, each in self.groups[group].items() if each.firing}
