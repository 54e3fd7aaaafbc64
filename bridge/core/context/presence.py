"""Which pods Prometheus asks: a pod that was replaced is no longer one of them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Gauge = dict[str, list[tuple[float, float]]]  #: of each pod: pairs of Unix seconds and value


@dataclass(frozen=True, slots=True)
class Presence:
    """The pods at each step, whether they answer or not."""

    steps: Mapping[float, frozenset[str]] = field(default_factory=dict)

    def gone(self, at: float) -> frozenset[str]:
        """Those that were asked before and are not at the last step up to then, while others are."""
        last = max((each for each in self.steps if each <= at), default=None)
        if last is None:
            return frozenset()
        return frozenset().union(*(pods for each, pods in self.steps.items() if each <= last)) - self.steps[last]

    def of_those_there(self, values: Gauge, at: float) -> Gauge:
        """Without the pods that are gone."""
        gone = self.gone(at)
        return {pod: points for pod, points in values.items() if pod not in gone}


NOT_KNOWN = Presence()


def presence_of(targets: Mapping[str, Sequence[tuple[float, float]]]) -> Presence:
    """From `up` of each pod over time."""
    found: dict[float, set[str]] = defaultdict(set)
    for pod, points in targets.items():
        for at, _ in points:
            found[at].add(pod)
    return Presence({at: frozenset(pods) for at, pods in found.items()})
