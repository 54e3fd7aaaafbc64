"""The bridge's exceptions.

BridgeError
├── ConfigurationFaults   the errors in routes.yaml: bridge.config
├── InvalidPayload        a body that can never be accepted            -> 400
├── StoreUnavailable      the store cannot take it now                 -> 503
│   ├── StoreRefused      this value only; it would accept others      -> 503
│   ├── StoreDown         it accepts nothing at present                -> 503
│   └── StoreUnusable     misconfigured, so it never will              -> the process ends with exit code 2
└── SendError             a vendor did not accept a message; Reason says what follows
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

#: Control characters but newline and tab; halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class BridgeError(Exception):
    """The root; never raised directly."""


class InvalidPayload(BridgeError):
    """The body can never be accepted; `field` is the path of the invalid value."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class StoreUnavailable(BridgeError):
    """The store cannot be read or written now; try again."""


class StoreRefused(StoreUnavailable):
    """The store works but refuses this write: a lost race, or a value that it cannot represent."""


class StoreDown(StoreUnavailable):
    """The store accepts nothing at present: it is locked, unreachable, or its file is gone."""


class StoreUnusable(StoreUnavailable):
    """The configured database can never work; the text says what to configure instead."""


class Reason(enum.StrEnum):
    """Why a send failed, which decides what follows. Also the label of the metric."""

    NETWORK = "network"  #: no answer, or the connection broke
    SERVER = "server"  #: the vendor failed
    RATE_LIMITED = "rate_limited"  #: the vendor asks to slow down: the whole channel waits
    CREDENTIAL = "credential"  #: key, token or password refused: the whole channel waits for an operator
    PAYLOAD = "payload"  #: this message refused: retried once, smaller
    DESTINATION = "destination"  #: can never work for this destination: dead letter
    BUG = "bug"  #: the bridge's own fault while composing or sending


class SendError(BridgeError):
    """A vendor did not accept a message. `ambiguous`: it may have accepted it nevertheless.

    `progress` is what the vendor is known to have already (for instance the ts of a message whose thread reply
    failed); `retry_after` is in seconds. `detail` is shown to users, so it must contain no secret. It may quote a
    vendor, so characters that no database stores are removed.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        ambiguous: bool = False,
        retry_after: float | None = None,
        progress: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = _UNSTORABLE.sub(lambda found: "\ufffd" if found[0] > "\x9f" else "", detail)[:500]
        self.ambiguous = ambiguous
        self.retry_after = retry_after
        self.progress = progress
