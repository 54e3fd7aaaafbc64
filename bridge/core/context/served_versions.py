"""Which pod served which version when. Pure.

Invariant: a version is new only if another one was seen before it; the first start of everything is no news.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from bridge.core.context.histories import History
from bridge.core.context.presence import NOT_KNOWN, Presence
from bridge.core.context.tables import pod_of

Seen = dict[float, dict[str, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class ServedVersions:
    """At each step the versions of each pod within the step's window: two while it changes."""

    seen: Seen = field(default_factory=dict)
    names: frozenset[str] = frozenset()  #: of all pods that were ever seen
    presence: Presence = field(default_factory=Presence)

    def at(self, pod: str, at: float) -> str:
        """Of a pod, or the only one of all pods if that is not known by this name; empty while unknown or changing."""
        pods = self.seen.get(at, {})
        found = pods.get(pod) or (frozenset() if pod in self.names else frozenset().union(*pods.values()))
        return next(iter(found)) if len(found) == 1 else ""

    @property
    def began(self) -> dict[str, float]:
        """Since when each version serves that came after another one (Unix seconds)."""
        first: dict[str, float] = {}
        for at in sorted(self.seen):
            for version in frozenset().union(*self.seen[at].values()):
                first.setdefault(version, at)
        earliest = min(first.values(), default=0.0)
        return {version: at for version, at in first.items() if at > earliest}

    def after(self, version: str) -> set[str]:
        """The versions that came after this one; none if that is as old as all that is known."""
        began = self.began
        return {name for name, at in began.items() if version in began and at > began[version]}

    def known_before(self, at: float) -> bool:
        """Whether any version was seen before then."""
        return any(each < at for each in self.seen)

    def pods(self, at: float) -> dict[str, str]:
        """The version of each pod that is there at the last step up to then; of one that changes, none."""
        last = max((each for each in self.seen if each <= at), default=None)
        gone = self.presence.gone(at)
        return {} if last is None else {pod: self.at(pod, last) for pod in self.seen[last] if pod not in gone}

    def running(self, at: float) -> dict[str, int]:
        """How many pods serve each version."""
        found: dict[str, int] = defaultdict(int)
        for version in self.pods(at).values():
            found[version] += 1
        return {version: count for version, count in sorted(found.items()) if version}

    def back_from(self, version: str, since: float, until: float) -> dict[str, float]:
        """The pods that serve a version from before it, and since when they do, if that is after `since`.

        A pod may have changed its version, or be a new one in place of another.
        """
        first: dict[str, float] = {}
        for at in sorted(self.seen):
            for name in frozenset().union(*self.seen[at].values()):
                first.setdefault(name, at)
        older = {name for name, at in first.items() if at < first.get(version, -1.0)}
        now = {pod: name for pod, name in self.pods(until).items() if name in older}
        found = {pod: self._serving_since(pod, name, until) for pod, name in now.items()}
        return {pod: at for pod, at in found.items() if at > since and at > min(self.seen)}

    def _serving_since(self, pod: str, version: str, until: float) -> float:
        found = until
        for at in sorted((each for each in self.seen if each <= until), reverse=True):
            if self.at(pod, at) != version:
                break
            found = at
        return found


def served_of(history: History | None, presence: Presence = NOT_KNOWN) -> ServedVersions:
    seen: dict[float, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for series in history.parts if history else ():
        for at, value in series.points:
            if value > 0 and series.labels.get("version"):
                seen[at][pod_of(series.labels)].add(series.labels["version"])
    names = frozenset(pod for pods in seen.values() for pod in pods)
    found = {at: {pod: frozenset(each) for pod, each in pods.items()} for at, pods in seen.items()}
    return ServedVersions(found, names, presence)
