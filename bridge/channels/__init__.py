"""The vendors: one adapter each, behind the Channel protocol; `build` makes what the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bridge.channels.email.channel import EmailChannel
from bridge.channels.pagerduty.channel import PagerDutyChannel
from bridge.channels.slack.channel import SlackChannel
from bridge.config.settings import ChannelSettings
from bridge.core.ports import Channel

BUILDERS: dict[str, Callable[[Any], Channel]] = {
    "pagerduty": PagerDutyChannel,
    "slack": SlackChannel,
    "email": EmailChannel,
}


def build(settings: ChannelSettings) -> Channel:
    return BUILDERS[settings.type](settings)
