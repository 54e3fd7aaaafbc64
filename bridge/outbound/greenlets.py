"""Blocking code within the event loop: where it would wait, it switches back to the coroutine that runs it.

For libraries that know no event loop (pdpyras, smtplib). A thread for each call costs two hops, and many threads that
wait in turn for the interpreter: half of a page's CPU, and three quarters of a mail's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from greenlet import getcurrent, greenlet

Result = TypeVar("Result")


async def run_blocking(call: Callable[[], Result]) -> Result:
    """In a greenlet of this thread. What it awaits with wait_for_loop, the event loop does meanwhile."""
    running = greenlet(call)
    handed = running.switch()
    while not running.dead:
        try:
            value = await handed
        except BaseException as error:
            handed = running.throw(error)
        else:
            handed = running.switch(value)
    result: Result = handed
    return result


def wait_for_loop(work: Awaitable[Result]) -> Result:
    """Only within run_blocking."""
    starter = getcurrent().parent
    assert starter is not None, "not within run_blocking"
    result: Result = starter.switch(work)
    return result
