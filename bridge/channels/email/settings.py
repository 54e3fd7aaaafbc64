"""The settings of a channel `type: email`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr

from bridge.channels.email import checks
from bridge.config.channel import ChannelSettings, Checks
from bridge.config.fields import Address, Duration, ExistingFile, Line, Pace, Smarthost
from bridge.config.values import parse_rate
from bridge.core.network.mailboxes import parse_mailbox
from bridge.core.ports import Channel


class EmailSettings(ChannelSettings):
    checks: ClassVar[Checks] = Checks(checks.faults, checks.warnings, checks.advise)
    edits: ClassVar[bool] = False
    shows_bodies: ClassVar[bool] = True
    address: ClassVar[str] = ""

    type: Literal["email"]
    """email: SMTP."""
    smarthost: Smarthost
    """The mail server, host:port."""
    tls: Literal["implicit", "starttls", "none"] = "starttls"
    """starttls (port 587), implicit (port 465), or none, which only this machine may have."""
    allow_plaintext: bool = False
    """true lets tls: none send to another machine: the network is trusted."""
    ca_file: ExistingFile | None = None
    """Certificates to trust instead of the system's."""
    username: Line | None = None
    """The login, with a password."""
    password: SecretStr | None = None
    """The login's password: ${NAME} of a variable."""
    password_file: Line | None = None
    """Instead: the file that holds the password."""
    from_: Address = Field(alias="from")
    """The sender: name@host, or Name <name@host>."""
    to: Annotated[tuple[Address, ...], Field(min_length=1)]
    """The recipients; each is a delivery of its own."""
    hello: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]+$", max_length=255)] | None = None
    """The name that is said in EHLO, instead of this machine's."""
    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$", max_length=255)] | None = None
    """The domain of the Message-ID, instead of the sender's."""
    rate: Pace = parse_rate("10/s")
    """How fast mails may go out."""
    timeout: Duration = timedelta(seconds=150)
    """How long the server may take for one mail."""

    @property
    def recipients(self) -> tuple[str, ...]:
        return self.to

    @property
    def id_domain(self) -> str:
        """Of the Message-ID."""
        return self.domain or parse_mailbox(self.from_).domain

    def build(self, name: str) -> Channel:
        from bridge.channels.email.channel import EmailChannel

        return EmailChannel(name, self)
