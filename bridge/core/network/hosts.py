"""Host names as DNS knows them."""

from __future__ import annotations

import idna


def ascii_host(domain: str) -> str:
    """A-labels for a name with other letters (RFC 5891); raises ValueError for what can be no host name."""
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain.encode("idna").decode()  # of 2003, which takes symbols too
