"""The settings of a channel `type: pagerduty`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr

from bridge.channels.pagerduty import checks
from bridge.config.channel import ChannelSettings, Checks
from bridge.config.fields import Line, Pace, RootUrl
from bridge.config.values import parse_rate
from bridge.core.ports import Channel


class PagerDutySettings(ChannelSettings):
    checks: ClassVar[Checks] = Checks(warnings=checks.warnings, advise=checks.advise)
    pages: ClassVar[bool] = True
    keeps_open: ClassVar[bool] = True

    type: Literal["pagerduty"]
    """pagerduty: the Events API v2."""
    routing_key: SecretStr
    """The integration's key of 32 characters: ${NAME} of a variable."""
    routing_key_file: Line | None = None
    """Instead: the file that holds the key."""
    base_url: RootUrl = "https://events.pagerduty.com"
    """Where events go; in the EU https://events.eu.pagerduty.com."""
    rate: Pace = parse_rate("120/m")
    """How fast events may go out; PagerDuty takes about 120 a minute and integration."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    """Sends under way at once."""
    change_events: bool = True
    """Whether deployments and other changes are sent as change events."""

    @property
    def takes_changes(self) -> bool:
        """A key that begins with R is one of a global ruleset, which takes no change events."""
        return self.change_events and not self.routing_key.get_secret_value().startswith("R")

    def build(self, name: str) -> Channel:
        from bridge.channels.pagerduty.channel import PagerDutyChannel

        return PagerDutyChannel(name, self)
