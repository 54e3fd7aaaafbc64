"""How many bytes of bodies the process holds, and who gives theirs up when it becomes too many. Pure, but for a lock.

Invariant: whatever is sent, all bodies together stay below the bound; a small one loses last; those whose sender is not
known leave room for the largest body of one who is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

SMALL = 64 * 2**10  #: bytes; most notifications are below it
_SPARE = 8  #: one part in so many is added to the room for small ones
_STRANGERS = 5  #: one part in so many is for all that may come from anybody


@dataclass(slots=True, eq=False)
class Upload:
    """A body that is being received, or is being worked on."""

    known: bool  #: its headers prove who sends
    give_up: Callable[[], None]  #: called for what is still being received
    held: int = 0  #: bytes


class Room:
    """May be used from any thread."""

    def __init__(self, total: Callable[[], int]) -> None:
        """total: bytes, which may change."""
        self._total, self._lock = total, Lock()
        self._receiving: set[Upload] = set()
        self._held = 0

    @property
    def held(self) -> int:
        return self._held

    def grow(self, upload: Upload, size: int) -> list[Upload]:
        """Those who lose their bytes to this growth. The upload may be one of them, and is then the last."""
        losers: list[Upload] = []
        with self._lock:
            self._receiving.add(upload)
            upload.held += size
            self._held += size
            while upload.held and (crowd := self._crowd(upload)):
                loser = max(crowd, key=lambda each: (each.held, not each.known))
                losers.append(loser)
                self._drop(loser)
        return losers

    def complete(self, upload: Upload) -> None:
        """It has all been received, and cannot lose any more."""
        with self._lock:
            self._receiving.discard(upload)

    def leave(self, upload: Upload) -> None:
        """It is gone. May be called again."""
        with self._lock:
            self._drop(upload)

    def _crowd(self, upload: Upload) -> list[Upload]:
        """Among whom one must lose; nobody when there is room."""
        total = self._total()
        strangers = [each for each in self._receiving if not each.known]
        if not upload.known and len(strangers) > 1 and sum(each.held for each in strangers) > total // _STRANGERS:
            return strangers
        room = total + (total // _SPARE if upload.held <= SMALL else 0)
        return list(self._receiving) if self._held > room else []

    def _drop(self, upload: Upload) -> None:
        self._receiving.discard(upload)
        self._held -= upload.held
        upload.held = 0
