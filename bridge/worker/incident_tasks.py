"""What goes on beside the deliveries: one task an incident, so many at most, ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class IncidentTasks:
    """Use it inside one running loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, number: int, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """False when the incident has one already, or there are too many."""
        if number in self._tasks or len(self._tasks) >= self._most:
            return False
        task = asyncio.create_task(work())
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))
        return True

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
