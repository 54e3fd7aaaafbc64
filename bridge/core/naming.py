"""What alerts and groups are called in one line of text. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bridge.core.model import Alert

UNNAMED = "Unnamed alert"
MAX_NAME = 80
MAX_PLACE = 100
#: Labels that say where, the widest first: their values need no name beside them. Others are shown as `name=value`.
PLACES = (
    "project", "region", "zone", "cluster", "environment", "env", "grafana_folder", "namespace", "service", "component",
    "job", "app", "model", "heartbeat", "pod", "container", "node", "host", "instance",
)  # fmt: skip
_ELSEWHERE = frozenset({"alertname", "severity"})  #: shown beside the place
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def names_of(alerts: Sequence[Alert]) -> str:
    """ "HighLatency" or "HighLatency (3), LowTraffic", at most three names."""
    counts = Counter(name_of(alert, "an unnamed alert") for alert in alerts)
    told = [f"{name} ({count})" if count > 1 else name for name, count in counts.items()]
    return ", ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")


def title_of(group_labels: Mapping[str, str], alerts: Sequence[Alert], truncated: int = 0) -> str:
    """`HighLatency (ml/toxicity-api)`, or `7 alerts: HighLatency, LowTraffic and 2 more (ml)`.

    The name that the group is made by, else those of its alerts. In brackets where it is: the other labels that it is
    made by, or when none of them says where, those that all its alerts share. truncated: alerts that it has besides.
    """
    named = _plain(group_labels.get("alertname", ""))
    what = _cut(named, MAX_NAME) or _called(alerts, truncated)
    where = _place(group_labels, alerts)
    return f"{what} ({where})" if where else what


def is_named_by_group(group_labels: Mapping[str, str]) -> bool:
    """Then no alert that comes or goes changes its name."""
    return bool(_plain(group_labels.get("alertname", "")))


def name_of(alert: Alert, otherwise: str = UNNAMED) -> str:
    """Its alertname; without one, as from sources that have none, the first words that say what it is about."""
    texts = (alert.name, *(alert.annotations.get(name, "") for name in ("summary", "message", "title", "description")))
    return _cut(next((found for text in texts if (found := _plain(text))), otherwise), MAX_NAME)


def _called(alerts: Sequence[Alert], truncated: int) -> str:
    """The most severe names first, of these the most frequent."""
    counts: Counter[str] = Counter()
    ranks: dict[str, int] = {}
    for alert in alerts:
        name, rank = name_of(alert), alert.severity.rank
        counts[name] += 1
        ranks[name] = min(rank, ranks.get(name, rank))
    names = sorted(counts, key=lambda name: (ranks[name], -counts[name], name))
    if len(names) < 2:
        return names[0] if names else UNNAMED
    return f"{len(alerts) + truncated:,} alerts: {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    """`A and B`, `A, B and C`, `A, B and 12 more`."""
    if len(names) == 2:
        return f"{names[0]} and {names[1]}"
    last = names[2] if len(names) == 3 else f"{len(names) - 2:,} more"
    return f"{names[0]}, {names[1]} and {last}"


def _place(group_labels: Mapping[str, str], alerts: Sequence[Alert]) -> str:
    told = {name: value for name, text in group_labels.items() if (value := _plain(text)) and name not in _ELSEWHERE}
    shared = {} if any(name in told for name in PLACES) else _shared_place(alerts)
    where = dict.fromkeys(told.get(name) or shared.get(name) or "" for name in PLACES)
    parts = ["/".join(_fitting([value for value in where if value], MAX_PLACE, "/"))]
    rest = [f"{_plain(name)}={value}" for name, value in sorted(told.items()) if name not in PLACES]
    return ", ".join(_fitting([part for part in [*parts, *rest] if part], MAX_PLACE, ", "))


def _shared_place(alerts: Sequence[Alert]) -> dict[str, str]:
    """Of the places, those that all alerts have alike."""
    first = alerts[0].labels if alerts else {}
    return {
        name: _plain(first[name])
        for name in PLACES
        if first.get(name) and all(alert.labels.get(name) == first[name] for alert in alerts)
    }


def _fitting(parts: Sequence[str], most: int, between: str) -> Iterator[str]:
    """As many as have room, from the first on; the first always, if need be cut."""
    room = most
    for index, part in enumerate(parts):
        shown = part if index else _cut(part, most)
        if len(shown) > room:
            return
        room -= len(shown) + len(between)
        yield shown


def _plain(text: str) -> str:
    """On one line, without control characters."""
    return _BLANKS.sub(" ", text).strip()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
