"""One send through a real channel, as the worker does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bridge.core.ports import Claim, Message, Receipt
from tests.channels.channel_builders import (
    a_claim,
    a_message,
)


def send(channel: Any, message: Message | None = None, claim: Claim | None = None) -> Receipt:
    """One send in a loop of its own, closed at its end."""

    async def run() -> Receipt:
        shown, leased = message or a_message(), claim or a_claim()
        leased = replace(leased, news=leased.news or shown.news)
        try:
            receipt: Receipt = await channel.send(channel.compose(shown, leased), shown, leased)
            return receipt
        finally:
            await channel.close()

    return asyncio.run(run())


def send_all(make: Callable[[], Any], message: Message, claim: Claim | None = None) -> Receipt:
    """As the worker does: what was only begun is kept, then claimed and finished."""
    leased = claim or a_claim()
    while (receipt := send(make(), message, leased)).unfinished:
        leased = replace(leased, handle=receipt.handle, unknown=False)
    return receipt
