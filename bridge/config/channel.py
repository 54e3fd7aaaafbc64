"""What the settings of every channel have; each vendor's folder in bridge/channels has a model of its own."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, get_args

from pydantic import AfterValidator, Field

from bridge.config.fields import Duration, Pace, Section
from bridge.config.values import check_interval
from bridge.core.ports import Channel

if TYPE_CHECKING:
    from bridge.config.advice.notes import Notes
    from bridge.config.document import Document
    from bridge.config.faults import Fault


class ChannelStorm(Section):
    """What is different for one channel."""

    enabled: bool | None = None
    """As in storm, for this channel: false sends every message by itself."""
    patience: Duration | None = None
    """As in storm, for this channel: how much waiting, in time at its rate, is a storm."""
    at_least: Annotated[int, Field(ge=2)] | None = None
    """As in storm, for this channel: how many waiting messages are a storm at least."""
    calm: Duration | None = None
    """As in storm, for this channel: for how long it must be quiet before the storm is over."""
    update_every: Annotated[Duration, AfterValidator(check_interval)] | None = None
    """As in storm, for this channel: how often the digest is updated at most."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What the keys of all channels of a type mean together.

    They see the file's data, which may be of any shape: whatever else is wrong, all is reported at once.
    """

    faults: Callable[[Document], None] = lambda document: None  #: adds what makes them unusable to the document
    warnings: Callable[[Document], Iterator[Fault]] = lambda document: iter(())  #: no fault, but would surprise
    advise: Callable[[Notes], None] = lambda notes: None  #: what `bridge check` alone says


class ChannelSettings(Section, abc.ABC):
    """A vendor's model adds `type` and its own keys."""

    checks: ClassVar[Checks] = Checks()
    pages: ClassVar[bool] = False  #: it wakes the on-call
    keeps_open: ClassVar[bool] = False  #: an incident stays open there until its end is sent
    edits: ClassVar[bool] = True  #: it shows every revision; otherwise only loud changes are sent
    shows_bodies: ClassVar[bool] = False  #: it shows the templates body.txt and body.html
    address: ClassVar[str] = "base_url"  #: the key of the URL that messages go to; empty: there is none

    type: str
    rate: Pace = None
    """How fast messages may go out."""
    storm: ChannelStorm = ChannelStorm()
    """What is different from the top-level storm for this channel."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    """Sends under way at once."""
    timeout: Duration = timedelta(seconds=10)
    """How long the vendor may take for one call."""
    send_resolved: bool = True
    """Whether the end of an incident is sent."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """A delivery each; the empty one is the channel itself."""
        return ("",)

    @abc.abstractmethod
    def build(self, name: str) -> Channel:
        """The adapter. Its libraries are imported here: a process that only reads settings does not load them."""

    @classmethod
    def word(cls) -> str:
        """The value of `type`."""
        (word,) = get_args(cls.model_fields["type"].annotation)
        return str(word)


ChannelTypes = tuple[type[ChannelSettings], ...]
