"""How many sends each channel has under way, and how many more it has room for.

A send that has ended frees its slot for the transaction that settles it, and occupies it again if that failed: what
cannot be stored must not pile up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from bridge.core.delivery.failures import room_for_doubtful
from bridge.core.ports import ChannelCapacity, Claim
from bridge.worker.setup import CurrentSetup


class Slots:
    """Of one worker."""

    def __init__(self, setup: CurrentSetup) -> None:
        self._setup = setup
        self._busy: Counter[str] = Counter()
        self._doubtful: Counter[str] = Counter()  # of these, those that may hang again
        self._full: set[str] = set()  # the channels that the last claim left no room in

    def take(self, claims: Sequence[Claim]) -> None:
        """What one claim leased."""
        self.occupy(claims)
        self._full = self._setup.value.capacities.keys() - {room.channel for room in self.rooms()}

    def occupy(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            self._busy[claim.target.channel] += 1
            self._doubtful[claim.target.channel] += claim.doubtful

    def free(self, claim: Claim) -> None:
        self._busy[claim.target.channel] -= 1
        self._doubtful[claim.target.channel] -= claim.doubtful

    def rooms(self) -> list[ChannelCapacity]:
        """Of the channels that have any."""
        rooms = (self._room(capacity) for capacity in self._setup.value.capacities.values())
        return [room for room in rooms if room.limit > 0]

    @property
    def wants_claim(self) -> bool:
        """Half of a full channel is free: one claim for each end would be mostly commits."""
        capacities = self._setup.value.capacities
        return any(each in capacities and self._busy[each] <= capacities[each].limit // 2 for each in self._full)

    @property
    def are_full(self) -> bool:
        """The last claim left no room in a channel."""
        return bool(self._full)

    def _room(self, capacity: ChannelCapacity) -> ChannelCapacity:
        channel = capacity.channel
        doubtful = room_for_doubtful(capacity.limit) - self._doubtful[channel]
        return replace(capacity, limit=capacity.limit - self._busy[channel], doubtful=doubtful)
