"""Which targets must show a change, and what: routing's answer as desired states. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bridge.core.delivery.delivery import DesiredState
from bridge.core.model import Added, Cause, Change, ChannelSpec, Target
from bridge.core.routing.tree import Match, Route, RoutedChannel, channels_of, matched

Canonical = Callable[[Mapping[str, str]], Mapping[str, str]]


def desired_states(
    change: Change,
    tree: Route,
    canonical: Canonical,
    channels: Mapping[str, ChannelSpec],
    now: datetime,
    added: Iterable[Added] = (),
) -> tuple[DesiredState, ...]:
    """One for each target. An incident that a responder resolved shows as over, whatever its alerts say.

    added: channels that are notified too, whatever the routes say of them.
    """
    incident = change.incident
    alerts = ((canonical(a.labels), a.shown and not incident.resolved) for a in incident.alerts.values())
    matches = matched(tree, alerts, now)
    found = _with_added(channels_of(matches), matches, added)
    return tuple(
        desired
        for channel in found.values()
        if channel.channel in channels
        for desired in _of_channel(channel, channels[channel.channel], change.loud)
    )


def _with_added(
    routed: Mapping[str, RoutedChannel], matches: Sequence[tuple[Match, bool]], added: Iterable[Added]
) -> Mapping[str, RoutedChannel]:
    """A channel that is needed now does not wait for the end of a mute interval."""
    found = dict(routed)
    for each in added:
        known = found.get(each.channel, RoutedChannel(each.channel, False))
        if _fires(each, routed, matches):
            found[each.channel] = replace(known, firing=True, muted_until=None, muted_by=None)
        else:
            found[each.channel] = known
    return found


def _fires(added: Added, routed: Mapping[str, RoutedChannel], matches: Sequence[tuple[Match, bool]]) -> bool:
    """It shows what it was added for; when the routes know nothing of that any more, the whole incident."""
    if added.cause is Cause.FALLBACK:
        concerned = [routed[added.key].firing] if added.key in routed else []
    else:
        concerned = [fires for match, fires in matches if any(step.key == added.key for step in match.escalate)]
    return any(concerned or [fires for _, fires in matches])


def _of_channel(channel: RoutedChannel, spec: ChannelSpec, loud: bool) -> Iterable[DesiredState]:
    # A resolve is sent at once to a target that was notified: only triggers are deferred by a mute interval.
    deferred = channel.muted and channel.firing
    for recipient in spec.recipients or ("",):
        yield DesiredState(
            Target(spec.name, recipient),
            channel.firing,
            loud,
            muted_until=channel.muted_until if deferred else None,
            muted_by=channel.muted_by if deferred else None,
        )
