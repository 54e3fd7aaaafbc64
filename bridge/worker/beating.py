"""The sign of life of a worker: its event loop gives it, while the database's thread moves as well."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

#: A statement may wait for a lock or a slow disk; a worker that is started anew would only wait for it, too.
DATABASE_SECONDS = 120.0


async def beat_while_it_moves(
    beat: Callable[[], None],
    moved: Callable[[], Awaitable[None]],
    *,
    every_seconds: float = 1.0,
    patience_seconds: float = DATABASE_SECONDS,
) -> None:
    """Until it is cancelled. moved() is done once the thread has come to it; RuntimeError: it has no more to do."""
    loop = asyncio.get_running_loop()
    asked, asked_at = _asked(moved), loop.time()
    while True:
        if asked.done():
            asked, asked_at = _asked(moved), loop.time()
        if loop.time() - asked_at < patience_seconds:
            beat()
        await asyncio.sleep(every_seconds)


def _asked(moved: Callable[[], Awaitable[None]]) -> asyncio.Future[None]:
    with contextlib.suppress(RuntimeError):
        return asyncio.ensure_future(moved())
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended.set_result(None)
    return ended
