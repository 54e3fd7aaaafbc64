"""A sandbox's options; by default any well-formed key is accepted, on free ports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SmtpTls = Literal["none", "starttls", "implicit"]


@dataclass(frozen=True)
class Options:
    http: str = "127.0.0.1:0"
    smtp: str = "127.0.0.1:0"
    routing_keys: tuple[str, ...] = ()  # none: any 32 letters and digits
    slack_tokens: tuple[str, ...] = ()  # none: any xoxb- token
    webhook_secrets: tuple[str, ...] = ()  # none: signatures are not verified
    missing_channels: tuple[str, ...] = ()
    rate_limits: bool = False
    smtp_tls: SmtpTls = "none"
    smtp_certificate: Path | None = None
    smtp_key: Path | None = None
    smtp_username: str | None = None
    smtp_password: str | None = None
    history: int = 20_000  # records kept of each sort


def host_and_port(address: str) -> tuple[str, int]:
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit():
        raise ValueError(f"{address!r} is not HOST:PORT, such as 127.0.0.1:9911")
    return host.strip("[]") or "127.0.0.1", int(port)
