"""What alerts and groups are called in one line of text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.core.model import Alert, Group


def names_of(alerts: Sequence[Alert]) -> str:
    """ "HighLatency" or "HighLatency (3), LowTraffic", at most three names."""
    counts: dict[str, int] = {}
    for alert in alerts:
        counts[alert.name or "an unnamed alert"] = counts.get(alert.name or "an unnamed alert", 0) + 1
    told = [f"{name} ({count})" if count > 1 else name for name, count in counts.items()]
    return ", ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")


def title_of(group: Group) -> str:
    """A constant name for the group: the alert's name first, then the other values that it is grouped by."""
    labels = group.group_labels or (group.alerts[0].labels if group.alerts else {})
    name = labels.get("alertname", "")
    rest = [value for key, value in sorted(group.group_labels.items()) if key != "alertname" and value]
    return " ".join(part for part in (name, *rest) if part) or group.receiver
