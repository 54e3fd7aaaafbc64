"""The credentials of sources, which send. Logins of users are in logins.py."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from flask import Request

from bridge.config.settings import Settings
from bridge.config.sources import SourceSettings
from bridge.config.values import is_loopback

SIGNATURE = "X-Grafana-Alerting-Signature"
SECONDS = re.compile(r"\d{1,12}", re.ASCII)
#: https://cloud.google.com/monitoring/support/notification-options#webhooks
QUERY_TOKEN = "auth_token"
UNSIGNED = f"the signature is missing ({SIGNATURE}): set the HMAC secret in Grafana's contact point"


def check_listen(host: str, settings: Settings) -> None:
    """Raise ValueError for an address that other machines can reach without a credential or login."""
    if is_loopback(host):
        return
    if not any(has_credential(source) for source in settings.sources):
        raise ValueError(
            f"listening on {host} needs a source with a token, or anyone could send alerts: add "
            'sources: [{name: prod, tokens: ["${ALERTMANAGER_TOKEN}"]}], or listen on 127.0.0.1'
        )
    if not settings.web.users:
        raise ValueError(
            f"listening on {host} needs a login for the pages, or anyone could read them: add web.users "
            "with a password hash, or listen on 127.0.0.1"
        )


def has_credential(source: SourceSettings) -> bool:
    return has_login(source) or source.hmac_secret is not None


def has_login(source: SourceSettings) -> bool:
    """Whether requests carry a credential, rather than only a signature."""
    return bool(source.tokens or source.basic_auth)


def matching_source(req: Request, sources: Iterable[SourceSettings]) -> SourceSettings | None:
    """The source whose credential the request's header carries. Compares all of them, to take constant time."""
    found = [source for source in sources if _carries(req, source)]
    return found[0] if found else None


def matching_senders(req: Request, sources: Iterable[SourceSettings]) -> list[SourceSettings]:
    """Sources that may have sent a webhook: by header, by the token in its query, or to be verified by signature."""
    sent = _query_token(req)
    return [
        source
        for source in sources
        if _carries(req, source) | _accepts_query(source, sent)
        or (source.hmac_secret is not None and not has_login(source))
    ]


def signature_fault(req: Request, source: SourceSettings, body: bytes, now: datetime) -> str | None:
    """Why the body's signature is not accepted; None when it is, or when the source does not sign.

    Grafana signs the bytes of the body, or `<seconds since 1970>:<body>` when it has a header for the time:
    https://github.com/grafana/alerting/blob/main/http/hmac.go
    """
    if source.hmac_secret is None:
        return None
    header = source.hmac_timestamp_header
    stamp = req.headers.get(header, "").strip() if header else ""
    signed = f"{stamp}:".encode("utf-8", "surrogatepass") + body if header else body
    sent = req.headers.get(SIGNATURE, "").strip().lower().encode("utf-8", "surrogatepass")
    right = hmac.new(source.hmac_secret.get_secret_value().encode(), signed, "sha256").hexdigest().encode()
    if not hmac.compare_digest(sent, right):
        return _why_not_signed(sent, header, stamp)
    return _age_fault(stamp, source.hmac_max_age, now) if header else None


def _why_not_signed(sent: bytes, header: str | None, stamp: str) -> str:
    if not sent:
        return UNSIGNED
    if header and not stamp:
        return f"the time is missing ({header}): set this timestamp header in Grafana's contact point"
    return "the signature is wrong: compare the HMAC secret and the timestamp header of Grafana with routes.yaml"


def _age_fault(stamp: str, allowed: timedelta, now: datetime) -> str | None:
    """Refuses a replayed body later than the window. Within it a replay changes nothing: it was stored before."""
    seconds = int(stamp) if SECONDS.fullmatch(stamp) else 0
    age = abs(now.timestamp() - seconds)
    if age <= allowed.total_seconds():
        return None
    window = f"{allowed.total_seconds():.0f} s of hmac_max_age"
    return f"it was signed more than {window} from now: compare the clocks; if they agree, the request was replayed"


def _carries(req: Request, source: SourceSettings) -> bool:
    sent = _authorization(req)
    return any([hmac.compare_digest(sent, accepted) for accepted in _accepted(source)])  # noqa: C419


def _authorization(req: Request) -> bytes:
    scheme, _, rest = req.headers.get("Authorization", "").partition(" ")
    return f"{scheme.lower()} {rest.strip()}".encode("utf-8", "surrogatepass")


def _accepted(source: SourceSettings) -> Iterable[bytes]:
    for token in source.tokens:
        # WSGI hands header bytes over as latin-1
        yield b"bearer " + token.get_secret_value().encode().decode("latin-1").encode()
    if source.basic_auth:
        pair = f"{source.basic_auth.username}:{source.basic_auth.password.get_secret_value()}"
        yield b"basic " + base64.b64encode(pair.encode())


def _query_token(req: Request) -> bytes:
    return req.args.get(QUERY_TOKEN, "").encode("utf-8", "surrogatepass")


def _accepts_query(source: SourceSettings, sent: bytes) -> bool:
    """Only Google has no other place for a token; elsewhere a token in the URL would only be easier to leak."""
    tokens = source.tokens if source.type == "cloud_monitoring" else ()
    return any([hmac.compare_digest(sent, token.get_secret_value().encode()) for token in tokens])  # noqa: C419
