"""Names of alerts and titles of groups, in one line of text. Pure."""

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
    names = [f"{name} ({count})" if count > 1 else name for name, count in counts.items()]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def title_of(group_labels: Mapping[str, str], alerts: Sequence[Alert], truncated: int = 0) -> str:
    """`HighLatency (ml/toxicity-api)`, or `7 alerts: HighLatency, LowTraffic and 2 more (ml)`.

    The group label alertname, else the names of its alerts. In brackets the place: the other group labels, or if none
    of these says where, the place labels that all its alerts share. truncated: further alerts of the group.
    """
    named = _plain(group_labels.get("alertname", ""))
    what = _cut(named, MAX_NAME) or _called(alerts, truncated)
    where = _place(group_labels, alerts)
    return f"{what} ({where})" if where else what


def is_named_by_group(group_labels: Mapping[str, str]) -> bool:
    """Whether it is grouped by alertname, so that no alert changes its title."""
    return bool(_plain(group_labels.get("alertname", "")))


def name_of(alert: Alert, otherwise: str = UNNAMED) -> str:
    """Its alertname; without one, as from some sources, the first annotation that describes it."""
    texts = (alert.name, *(alert.annotations.get(name, "") for name in ("summary", "message", "title", "description")))
    return _cut(next((found for text in texts if (found := _plain(text))), otherwise), MAX_NAME)


def _called(alerts: Sequence[Alert], truncated: int) -> str:
    """The most severe names first, then the most frequent."""
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
    shown = {name: value for name, text in group_labels.items() if (value := _plain(text)) and name not in _ELSEWHERE}
    shared = {} if any(name in shown for name in PLACES) else _shared_place(alerts)
    where = dict.fromkeys(shown.get(name) or shared.get(name) or "" for name in PLACES)
    parts = ["/".join(_fitting([value for value in where if value], MAX_PLACE, "/"))]
    rest = [f"{_plain(name)}={value}" for name, value in sorted(shown.items()) if name not in PLACES]
    return ", ".join(_fitting([part for part in [*parts, *rest] if part], MAX_PLACE, ", "))


def _shared_place(alerts: Sequence[Alert]) -> dict[str, str]:
    """The place labels that all alerts share."""
    first = alerts[0].labels if alerts else {}
    return {
        name: _plain(first[name])
        for name in PLACES
        if first.get(name) and all(alert.labels.get(name) == first[name] for alert in alerts)
    }


def _fitting(parts: Sequence[str], most: int, between: str) -> Iterator[str]:
    """As many as fit, from the first; the first always, truncated if necessary."""
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
