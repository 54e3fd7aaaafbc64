"""POST /webhook/...: what monitoring sends in.

Law: 200 only after the store has committed; 503 for everything that may pass; never 429, never 500. Alertmanager
retries after 5xx alone, and forgets after any 4xx.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from bridge import logs
from bridge.config.settings import Settings, SourceSettings
from bridge.core.errors import InvalidPayload, StoreUnavailable
from bridge.core.ports import Intake
from bridge.metrics import Metrics
from bridge.sources import alertmanager
from bridge.web.auth import from_another_site, from_this_machine, has_credential, matching_source

log = logs.get(__name__)
UNCONFIGURED = "alertmanager"  #: the source's name while none is configured
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
METRIC_OF = {400: "invalid", 413: "too_large", 415: "invalid", 401: "unauthorized", 403: "unauthorized"}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, as far as we believe it."""

    name: str
    distinct: bool = False


class Refused(Exception):
    """The answer is no; `source` is for the metric."""

    def __init__(self, code: int, message: str, source: str = "unknown", field: str = "", wants: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.source, self.field, self.wants = code, message, source, field, wants


def blueprint(current: Callable[[], Settings], intake: Intake, metrics: Metrics) -> Blueprint:
    routes = Blueprint("webhooks", __name__)

    @routes.post("/webhook/alertmanager", strict_slashes=False)
    @routes.post("/webhook/alertmanager/<source>", strict_slashes=False)
    def receive_alertmanager(source: str | None = None) -> Response:
        try:
            return _receive(current(), intake, metrics, source)
        except Refused as refused:
            return _no(metrics, refused)
        except Exception as error:
            return _not_now(metrics, error)

    @routes.route("/webhook/", defaults={"path": ""}, methods=["GET", "POST", "PUT"])
    @routes.route("/webhook/<path:path>", methods=["GET", "POST", "PUT"])
    def receive_nothing(path: str) -> Response:
        return _no(metrics, _lost(path))

    return routes


def _receive(settings: Settings, intake: Intake, metrics: Metrics, name: str | None) -> Response:
    sender = _admit(settings, name)
    label = sender.name if settings.sources else "unknown"
    try:
        group = alertmanager.parse(_body(settings.limits.body, label), sender.name, sender.distinct)
    except InvalidPayload as fault:
        raise Refused(400, str(fault), label, fault.field) from fault
    accepted = intake.accept(group)
    metrics.accepted(label, len(group.alerts), accepted)
    return jsonify(incident=accepted.number, outcome=accepted.outcome)


def _admit(settings: Settings, name: str | None) -> Sender:
    if not settings.sources:
        return _admit_neighbour(name)
    known = [source for source in settings.sources if source.type == "alertmanager"]
    asked = [source for source in known if name in (None, source.name)]
    if not asked:
        missing = f"named {name!r:.80}" if name else "of type alertmanager"
        raise Refused(404, f"there is no source {missing} in routes.yaml: add it under sources, or correct the URL")
    source = matching_source(request, asked) or _without_credential(asked)
    if source is None:
        raise _unauthorized(asked)
    return Sender(source.name, source.dedup_key == "source_and_group")


def _admit_neighbour(name: str | None) -> Sender:
    if not from_this_machine(request) or from_another_site(request):
        text = "no sources are configured, so only this machine may send: add one with a token to routes.yaml"
        raise Refused(403, text)
    if name is not None and not NAME.fullmatch(name):
        raise Refused(404, "a source's name has small letters, digits, - and _ only, and at most 63 of them")
    return Sender(name or UNCONFIGURED)


def _without_credential(asked: list[SourceSettings]) -> SourceSettings | None:
    """A source that has no token is open to this machine alone."""
    if len(asked) != 1 or has_credential(asked[0]) or from_another_site(request):
        return None
    return asked[0] if from_this_machine(request) else None


def _unauthorized(asked: list[SourceSettings]) -> Refused:
    source = asked[0].name if len(asked) == 1 else "unknown"
    wants = 'Bearer realm="incident bridge"'
    if any(each.basic_auth for each in asked):
        wants += ', Basic realm="incident bridge"'
    if "Authorization" in request.headers:
        text = "the credential is not one of this source's: compare alertmanager.yml with routes.yaml"
    else:
        text = "a credential is missing: set http_config.authorization.credentials in alertmanager.yml"
    return Refused(401, text, source, wants=wants)


def _body(limit: int, source: str) -> bytes:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Refused(415, "the body must not be compressed: send it without Content-Encoding", source)
    try:
        return read_at_most(limit)
    except RequestEntityTooLarge:
        text = f"the body is larger than the {limit} bytes of limits.body in routes.yaml: raise it"
        raise Refused(413, text, source) from None
    except ClientDisconnected:
        raise Refused(400, "the body ended before its Content-Length", source) from None


def read_at_most(limit: int) -> bytes:
    """One byte more is asked for: of a body without a length werkzeug gives the first bytes, and says nothing."""
    request.max_content_length = limit + 1
    body = request.get_data(cache=False)
    if len(body) > limit:
        raise RequestEntityTooLarge
    return body


def _lost(path: str) -> Refused:
    if path.split("/")[0] == "alertmanager":
        return Refused(405 if request.method != "POST" else 404, "POST to /webhook/alertmanager/<source>")
    return Refused(404, f"nothing listens at /webhook/{path:.80}: Alertmanager posts to /webhook/alertmanager")


def _no(metrics: Metrics, refused: Refused) -> Response:
    metrics.refused(refused.source, METRIC_OF.get(refused.code, "invalid"))
    log.warning("webhook refused", code=refused.code, source=refused.source, why=refused.message)
    answer = jsonify(error=refused.message, field=refused.field)
    answer.status_code = refused.code
    if refused.wants:
        answer.headers["WWW-Authenticate"] = refused.wants
    if refused.code == 405:
        answer.headers["Allow"] = "POST"
    return answer


def _not_now(metrics: Metrics, error: Exception) -> Response:
    """Our side cannot take it: the sender shall try again, and what is wrong stands in our log."""
    metrics.refused("unknown", "unavailable")
    known = isinstance(error, StoreUnavailable)
    log.error("webhook not stored", error=str(error), exc_info=None if known else error)
    answer = jsonify(error="the bridge cannot store this now: send it again", field="")
    answer.status_code = 503
    answer.headers["Retry-After"] = "1"
    return answer
