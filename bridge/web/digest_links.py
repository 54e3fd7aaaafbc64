"""The query of a link in a digest: `?channel=slack-ml&held=storm`."""

from __future__ import annotations

from flask import Request, abort


def held_channel(request: Request) -> str | None:
    """The channel whose suppressed incidents are asked for; None for all incidents."""
    held, channel = request.args.get("held"), request.args.get("channel")
    if held is None and channel is None:
        return None
    if held != "storm" or not channel:
        abort(400, "channel and held go together: ?channel=slack-ml&held=storm lists what its storm suppresses")
    return channel
