"""The settings of a channel `type: slack`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, SecretStr

from bridge.channels.slack import checks
from bridge.config.channel import ChannelSettings, Checks
from bridge.config.fields import Line, Pace, RootUrl
from bridge.config.values import check_mention, parse_rate
from bridge.core.ports import Channel


class SlackSettings(ChannelSettings):
    checks: ClassVar[Checks] = Checks(warnings=checks.warnings, advise=checks.advise)

    type: Literal["slack"]
    """slack: the Web API, with a bot token."""
    token: SecretStr
    """The bot's token (xoxb-...) with chat:write: ${NAME} of a variable."""
    token_file: Line | None = None
    """Instead: the file that holds the token."""
    channel: Line
    """A channel's id (C012ABCDEF), or its name in quotes ("#name")."""
    base_url: Annotated[RootUrl, AfterValidator(lambda url: f"{url}/")] = "https://slack.com/api/"
    """Where Slack's Web API is."""
    rate: Pace = parse_rate("1/s")
    """How fast messages may go out; Slack takes about one a second and channel."""
    mention: Annotated[str, AfterValidator(check_mention)] | None = None
    """Put into the message of a new critical incident: <!here>, <!channel>, <@U...> or <!subteam^S...>."""

    def build(self, name: str) -> Channel:
        from bridge.channels.slack.channel import SlackChannel

        return SlackChannel(name, self)
