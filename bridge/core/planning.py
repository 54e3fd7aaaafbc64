"""Which targets must show a change: routing's answer, turned into wishes for deliveries. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from bridge.core.model import Change, ChannelSpec, Target, Wish
from bridge.core.routing import ChannelWish, Route, channels_for

Canonical = Callable[[Mapping[str, str]], Mapping[str, str]]


def plan(
    change: Change, tree: Route, canonical: Canonical, channels: Mapping[str, ChannelSpec], now: datetime
) -> tuple[Wish, ...]:
    """One wish a target. An incident that a person resolved shows as over, whatever its alerts say."""
    incident = change.incident
    alerts = ((canonical(a.labels), a.firing and not incident.resolved) for a in incident.alerts.values())
    found = channels_for(tree, alerts, now)
    return tuple(
        wish
        for channel in found.values()
        if channel.channel in channels
        for wish in _wishes(channel, channels[channel.channel], change.loud)
    )


def _wishes(channel: ChannelWish, spec: ChannelSpec, loud: bool) -> Iterable[Wish]:
    # An end is told at once to whoever heard of the beginning: only beginnings wait for a mute interval to pass.
    held = channel.held and channel.firing
    for recipient in spec.recipients or ("",):
        yield Wish(
            Target(spec.name, recipient),
            channel.firing,
            loud,
            hold_until=channel.hold_until if held else None,
            hold_reason=channel.hold_reason if held else None,
        )
