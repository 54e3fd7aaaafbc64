"""Host names in DNS form."""

from __future__ import annotations

import idna


def ascii_host(domain: str) -> str:
    """A-labels for a name with other letters (RFC 5891); raises ValueError for an invalid host name."""
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain.encode("idna").decode()  # IDNA 2003, which allows symbols too
