"""Finds routes that no alert can reach. Pure: it depends on the tree alone."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.routing.matchers import Matcher
from bridge.core.routing.tree import Route


@dataclass(frozen=True, slots=True)
class Unreachable:
    route: Route
    because_of: Route


def unreachable_routes(tree: Route) -> tuple[Unreachable, ...]:
    """Routes that no alert can reach, because an earlier sibling takes everything they match."""
    found: list[Unreachable] = []
    for index, route in enumerate(tree.routes):
        earlier = (sibling for sibling in tree.routes[:index] if not sibling.continue_)
        blocker = next((sibling for sibling in earlier if _covers(sibling, route)), None)
        found += [Unreachable(route, blocker)] if blocker else unreachable_routes(route)
    return tuple(found)


def _covers(earlier: Route, later: Route) -> bool:
    return all(any(_implies(have, want) for have in later.matchers) for want in earlier.matchers)


def _implies(have: Matcher, want: Matcher) -> bool:
    if have.name != want.name:
        return False
    return have == want or (have.op == "=" and want.accepts(have.value))
