"""The vendors' rate limits: so many calls in a sliding window, reported as the seconds to wait."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable


class SlidingWindow:
    def __init__(self, calls: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls = calls
        self._seconds = seconds
        self._clock = clock
        self._taken: defaultdict[str, deque[float]] = defaultdict(deque)

    def seconds_to_wait(self, key: str) -> int:
        """0 takes a place; anything else is a Retry-After and takes none."""
        now, taken = self._clock(), self._taken[key]
        while taken and taken[0] <= now - self._seconds:
            taken.popleft()
        if len(taken) < self._calls:
            taken.append(now)
            return 0
        return max(1, math.ceil(taken[0] + self._seconds - now))

    def reset(self) -> None:
        self._taken.clear()
