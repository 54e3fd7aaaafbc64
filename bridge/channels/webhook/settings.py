"""The settings of a channel `type: webhook`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import SecretStr

from bridge.channels.webhook import checks
from bridge.config.channel import ChannelSettings, Checks
from bridge.config.fields import Line, Pace, Url
from bridge.config.sources import BasicAuthSettings
from bridge.config.values import parse_rate
from bridge.core.ports import Channel


class WebhookSettings(ChannelSettings):
    checks: ClassVar[Checks] = Checks(checks.faults, checks.warnings, checks.advise)
    keeps_open: ClassVar[bool] = True
    address: ClassVar[str] = "url"

    type: Literal["webhook"]
    """webhook: a signed POST of JSON to a receiver of your own."""
    url: Url
    """Where it is posted; without a token in it, since addresses are no secrets here."""
    secret: SecretStr | None = None
    """What the body is signed with (HMAC-SHA256): ${NAME} of a variable."""
    secret_file: Line | None = None
    """Instead: the file that holds it."""
    previous_secret: SecretStr | None = None
    """While you change the secret: the one before, which signs too. ${NAME} of a variable."""
    previous_secret_file: Line | None = None
    """Instead: the file that holds it."""
    token: SecretStr | None = None
    """A bearer token that is sent: ${NAME} of a variable."""
    token_file: Line | None = None
    """Instead: the file that holds the token."""
    basic_auth: BasicAuthSettings | None = None
    """Instead of a token: the user and password that are sent."""
    rate: Pace = parse_rate("10/s")
    """How fast requests may go out."""

    def build(self, name: str) -> Channel:
        from bridge.channels.webhook.channel import WebhookChannel

        return WebhookChannel(name, self)
