"""Who a request is from, and which one it is: signature, time and idempotency key. Pure.

The signature is over the time and the body, so that an old request cannot be sent again later under a new time.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

TIMESTAMP = "X-Bridge-Timestamp"  #: Unix seconds
SIGNATURE = "X-Bridge-Signature"  #: v1=HEX, and one more while the secret is changed: v1=HEX,v1=HEX
DELIVERY = "X-Bridge-Delivery"  #: the same for every revision of one incident in one channel
IDEMPOTENCY = "Idempotency-Key"  #: DELIVERY:REVISION; a request with one that was taken before is a duplicate


def signed(body: bytes, timestamp: int, secrets: Iterable[str]) -> dict[str, str]:
    """Headers; without a secret, the time alone."""
    content = b"%d.%b" % (timestamp, body)
    signatures = [f"v1={hmac.new(secret.encode(), content, 'sha256').hexdigest()}" for secret in secrets]
    return {TIMESTAMP: str(timestamp)} | ({SIGNATURE: ",".join(signatures)} if signatures else {})


def named(delivery: str, revision: int) -> dict[str, str]:
    """Headers by which a receiver drops duplicates, and keeps the newest revision."""
    return {DELIVERY: delivery, IDEMPOTENCY: f"{delivery}:{revision}"}
