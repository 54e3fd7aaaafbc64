"""Trusted certificate authorities for every vendor, and why a certificate was rejected."""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import certifi

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class UnusableAuthorities(ValueError):
    """The authorities cannot be loaded; the text says why."""


def trusting(authorities: Path | str | None = None) -> ssl.SSLContext:
    """Trusts only the given authorities; raises UnusableAuthorities when they cannot be read.

    By default the system's (or SSL_CERT_FILE, SSL_CERT_DIR), certifi's, for a machine without any, and those of the
    variables of requests and curl. A bundle that cannot be read is skipped, and `bridge check` reports it.
    """
    try:
        context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
    except OSError:
        raise UnusableAuthorities("ca_file cannot be read, or contains no certificates") from None
    if authorities is None:
        for path in filter(None, [certifi.where(), *map(os.environ.get, BUNDLES)]):
            with suppress(OSError):
                context.load_verify_locations(**{"capath" if Path(path).is_dir() else "cafile": path})
    return context


#: shared by all connections without their own authorities, for loading takes a while
trusted = lru_cache(maxsize=1)(trusting)


def tls_fault(error: BaseException | None) -> str:
    """OpenSSL's reason for a rejected certificate or failed handshake; empty for other errors."""
    while error is not None:
        below = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)  # aiohttp's own
        if below is None and isinstance(error, ssl.SSLError):
            return f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'failed'}"
        error = below if isinstance(below, BaseException) else error.__cause__ or error.__context__
    return ""
