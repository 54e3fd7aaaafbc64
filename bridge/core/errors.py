"""Everything that can go wrong on purpose.

BridgeError
├── ConfigurationFaults   what is wrong with routes.yaml: bridge.config
├── InvalidPayload        a body that can never be accepted            -> 400
├── StoreUnavailable      the store cannot take it now                 -> 503
│   ├── StoreRefused      this alone; others it would take             -> 503
│   ├── StoreDown         nothing at all, whatever it is               -> 503
│   └── StoreUnusable     as it was configured, it never will          -> the process ends with exit code 2
└── SendError             a vendor did not take a message; Reason says what follows
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

#: Control characters but newline and tab; halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class BridgeError(Exception):
    """The root; never raised itself."""


class InvalidPayload(BridgeError):
    """The body can never be accepted; `field` is the path of what is wrong in it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class StoreUnavailable(BridgeError):
    """The store cannot take or give anything now; try again."""


class StoreRefused(StoreUnavailable):
    """The store works, and cannot take this: a lost race, or a value that it has no place for."""


class StoreDown(StoreUnavailable):
    """The store takes nothing just now: it is locked, cannot be reached, or its file is gone."""


class StoreUnusable(StoreUnavailable):
    """What the configuration names can never be the bridge's database; the text says what to write instead."""


class Reason(enum.StrEnum):
    """Why a send failed, which decides what follows. Also the label of the metric."""

    NETWORK = "network"  #: nobody answered, or the connection broke
    SERVER = "server"  #: the vendor failed
    RATE_LIMITED = "rate_limited"  #: the vendor asks to wait: the whole channel waits
    CREDENTIAL = "credential"  #: key, token or password refused: the whole channel waits for an operator
    PAYLOAD = "payload"  #: this message refused: once more, smaller
    DESTINATION = "destination"  #: can never work for this destination: dead letter
    BUG = "bug"  #: our own fault while composing or sending


class SendError(BridgeError):
    """A vendor did not take a message. `ambiguous`: it may have taken it all the same.

    `progress` is what is known of the vendor's side already (for instance the ts of a message whose thread reply
    failed); `retry_after` is in seconds. `detail` must hold no secret: it is shown to people. A vendor may have said
    it, so it is cleaned of what no database stores.
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
