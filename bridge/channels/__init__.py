"""The vendors: one folder each, with its settings, messages and calls, behind the Channel protocol.

Invariant: to import this imports no vendor's library; `settings.build(name)` does.
"""

from __future__ import annotations

from bridge.channels.email.settings import EmailSettings
from bridge.channels.pagerduty.settings import PagerDutySettings
from bridge.channels.slack.settings import SlackSettings
from bridge.channels.webhook.settings import WebhookSettings
from bridge.config.channel import ChannelTypes

#: Every type of channel that routes.yaml may have.
CHANNEL_TYPES: ChannelTypes = (
    PagerDutySettings,
    SlackSettings,
    EmailSettings,
    WebhookSettings,
)
