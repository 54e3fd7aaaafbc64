"""POST /events/change: changes reported by deployment jobs, model servers and users.

Invariant: 2xx only after the store has committed, and 503 for every transient error, so that a sender may simply
retry.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, Request, Response, jsonify, request

from bridge.config.settings import Settings
from bridge.config.sources import SourceSettings
from bridge.core.errors import InvalidPayload, StoreUnavailable
from bridge.core.ports import ChangeLog
from bridge.observability import logs
from bridge.observability.metrics import Metrics
from bridge.sources import changes
from bridge.web.auth import has_credential, matching_source
from bridge.web.bodies import NOTHING, Wanted, is_plain, reads_body
from bridge.web.webhooks import Refused, answer_of, body_of, why_not_local

log = logs.get(__name__)
MAX_BODY = 65536  #: bytes; a change has a few hundred
THIS_MACHINE = "local"  #: the source of changes while none is configured


def blueprint(
    current: Callable[[], Settings], kept: ChangeLog, metrics: Metrics, clock: Callable[[], datetime]
) -> Blueprint:
    routes = Blueprint("changes", __name__)

    def wanted(req: Request) -> Wanted:
        try:
            _admit(req, current())
        except Refused:
            return NOTHING
        return Wanted(MAX_BODY, known=True) if is_plain(req) else NOTHING

    @routes.post("/events/change", strict_slashes=False)
    @reads_body(wanted)
    def receive_change() -> Response:
        try:
            return _receive(current(), kept, metrics, clock())
        except Refused as refused:
            return _no(refused)
        except Exception as error:
            return _not_now(error)

    return routes


def _receive(settings: Settings, kept: ChangeLog, metrics: Metrics, now: datetime) -> Response:
    source = _admit(request, settings)
    try:
        change = changes.parse(body_of(MAX_BODY, source, "a change needs far less"), source, now)
    except InvalidPayload as fault:
        raise Refused(400, str(fault), source, fault.field) from fault
    new = kept.record(change)
    if new:
        metrics.changed(source if settings.sources else "unknown", change.kind)
        log.info("change_recorded", kind=change.kind, service=change.service, version=change.version, source=source)
    answer = jsonify(id=change.id, outcome="recorded" if new else "duplicate")
    answer.status_code = 201 if new else 200
    return answer


def _admit(req: Request, settings: Settings) -> str:
    """The name of the sender: any source may report a change, whatever the type of its alerts."""
    sources = settings.sources
    found = matching_source(req, sources)
    if found is not None:
        return found.name
    why = why_not_local(req, settings)
    if not sources and not why:
        return THIS_MACHINE
    unguarded = next((source for source in sources if not has_credential(source)), None)
    if unguarded is not None and not why and "Authorization" not in req.headers:
        return unguarded.name
    raise _unauthorized(req, sources, why)


def _unauthorized(req: Request, sources: tuple[SourceSettings, ...], why: str) -> Refused:
    if not sources:
        text = f"no sources are configured, so only this machine may send, and {why}: add a source with a token"
        return Refused(403, text)
    if "Authorization" in req.headers:
        text = "the credential belongs to no source in routes.yaml: correct it, or add it there under sources"
    else:
        text = 'a credential is missing: send the header "Authorization: Bearer <token of a source in routes.yaml>"'
    basic = ', Basic realm="incident bridge"' if any(source.basic_auth for source in sources) else ""
    return Refused(401, text, wants=f'Bearer realm="incident bridge"{basic}')


def _no(refused: Refused) -> Response:
    log.warning("change_refused", code=refused.code, source=refused.source, why=refused.message, **refused.logged)
    return answer_of(refused)


def _not_now(error: Exception) -> Response:
    known = isinstance(error, StoreUnavailable)
    log.error("change_not_stored", error=str(error), exc_info=None if known else error)
    answer = jsonify(error="the bridge cannot store this now: send it again", field="")
    answer.status_code = 503
    answer.headers["Retry-After"] = "1"
    return answer
