"""Bounds the bytes of all request bodies in memory, and chooses which ones to drop. Pure, except for a lock.

Invariant: all bodies together stay below the bound; small ones are dropped last; those of unauthenticated senders leave
room for the largest body of an authenticated one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

SMALL = 64 * 2**10  #: bytes; most notifications are below it
_SPARE = 8  #: 1/8 is added to the bound for small ones
_UNKNOWN = 5  #: 1/5 of the bound is for all unauthenticated senders


@dataclass(slots=True, eq=False)
class Upload:
    """A body that is being received or processed."""

    known: bool  #: its headers authenticate the sender
    give_up: Callable[[], None]  #: called to drop it while it is being received
    size_bytes: int = 0  #: bytes


class Room:
    """Thread-safe."""

    def __init__(self, total: Callable[[], int]) -> None:
        """total: the bound in bytes, which may change."""
        self._total, self._lock = total, Lock()
        self._receiving: set[Upload] = set()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def grow(self, upload: Upload, size: int) -> list[Upload]:
        """The uploads to drop for this growth. The upload itself may be one of them, and is then the last."""
        dropped: list[Upload] = []
        with self._lock:
            self._receiving.add(upload)
            upload.size_bytes += size
            self._bytes += size
            while upload.size_bytes and (candidates := self._candidates(upload)):
                victim = max(candidates, key=lambda each: (each.size_bytes, not each.known))
                dropped.append(victim)
                self._drop(victim)
        return dropped

    def complete(self, upload: Upload) -> None:
        """It was received completely, and is not dropped any more."""
        with self._lock:
            self._receiving.discard(upload)

    def leave(self, upload: Upload) -> None:
        """It was processed or closed. May be called again."""
        with self._lock:
            self._drop(upload)

    def _candidates(self, upload: Upload) -> list[Upload]:
        """The uploads of which one must be dropped; none while there is room."""
        total = self._total()
        unknown = [each for each in self._receiving if not each.known]
        if not upload.known and len(unknown) > 1 and sum(each.size_bytes for each in unknown) > total // _UNKNOWN:
            return unknown
        room = total + (total // _SPARE if upload.size_bytes <= SMALL else 0)
        return list(self._receiving) if self._bytes > room else []

    def _drop(self, upload: Upload) -> None:
        self._receiving.discard(upload)
        self._bytes -= upload.size_bytes
        upload.size_bytes = 0
