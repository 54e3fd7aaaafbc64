"""POST /webhook/...: notifications from monitoring systems.

Invariant: 200 only after the store has committed; 503 for every transient error; never 429, never 500. Alertmanager
retries only after 5xx, and drops the notification after any 4xx.
"""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from flask import Blueprint, Request, Response, jsonify, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from bridge.config.settings import Settings
from bridge.config.sources import SourceSettings
from bridge.core.errors import InvalidPayload, StoreUnavailable
from bridge.core.model import Group
from bridge.core.ports import Accepted, Intake
from bridge.observability import logs
from bridge.observability.metrics import Metrics
from bridge.sources import alertmanager, cloud_monitoring, grafana
from bridge.web import request_id
from bridge.web.auth import (
    QUERY_TOKEN,
    SIGNATURE,
    UNSIGNED,
    has_credential,
    has_login,
    matching_senders,
    signature_fault,
)
from bridge.web.bodies import NOTHING, WANTED, NoRoom, Wanted, is_plain, read_at_most, reads_body
from bridge.web.callers import caller_of, from_another_site
from bridge.web.deferred import Later

log = logs.get(__name__)
PATIENCE = 20.0  #: seconds for a commit
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
#: status code -> outcome in the metric
METRIC_OF = {
    400: "invalid",
    401: "unauthorized",
    403: "unauthorized",
    413: "too_large",
    415: "invalid",
    503: "unavailable",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One vendor's webhook: its path, its parser, and where the vendor configures a credential."""

    type: Literal["alertmanager", "grafana", "cloud_monitoring"]
    path: str  #: also the source's name while none is configured
    parse: Callable[[bytes, str, datetime, bool], Group]
    settings_at: str
    credential_at: str
    methods: tuple[str, ...] = ("POST",)


KINDS = (
    Kind(
        "alertmanager",
        "alertmanager",
        lambda body, source, now, distinct: alertmanager.parse(body, source, distinct),
        "alertmanager.yml",
        "set http_config.authorization.credentials in alertmanager.yml",
    ),
    # To Grafana everything but 2xx has failed, without a retry; while the alert lasts, the group is sent again after
    # group_interval: https://github.com/grafana/alerting/blob/main/receivers/webhook/v1/webhook.go
    Kind(
        "grafana",
        "grafana",
        lambda body, source, now, distinct: grafana.parse(body, source, distinct),
        "Grafana's contact point",
        "set Authorization Header - Credentials in Grafana's contact point",
        ("POST", "PUT"),
    ),
    # Google documents no retries of a webhook, only that a failure is in the project's notification_channel_events
    # log: https://cloud.google.com/monitoring/alerts/troubleshoot-missing-notifications
    Kind(
        "cloud_monitoring",
        "cloud-monitoring",
        cloud_monitoring.parse,
        "Google's notification channel",
        "as routes.yaml says, give Google's notification channel basic authentication or a URL with ?auth_token=...",
    ),
)


class Refused(Exception):
    """The request is refused; `source` is for the metric, `wants` and `allow` are for response headers, the rest is
    logged."""

    def __init__(
        self,
        code: int,
        message: str,
        source: str = "unknown",
        field: str = "",
        wants: str = "",
        allow: str = "",
        **logged: object,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.source, self.field = code, message, source, field
        self.wants, self.allow, self.logged = wants, allow, logged


def blueprint(
    current: Callable[[], Settings], intake: Intake, metrics: Metrics, clock: Callable[[], datetime]
) -> Blueprint:
    routes = Blueprint("webhooks", __name__)
    for kind in KINDS:
        endpoint = _endpoint(kind, current, intake, metrics, clock)
        for rule in (f"/webhook/{kind.path}", f"/webhook/{kind.path}/<source>"):
            routes.add_url_rule(
                rule,
                f"receive_{kind.type}",
                endpoint,
                methods=kind.methods,
                strict_slashes=False,
                provide_automatic_options=False,
            )

    # All methods, for Flask's own 405 would list this rule's methods in Allow.
    @routes.route("/webhook/", defaults={"path": ""}, methods=METHODS, provide_automatic_options=False)
    @routes.route("/webhook/<path:path>", methods=METHODS, provide_automatic_options=False)
    def refuse_unknown_path(path: str) -> Response:
        return _no(metrics, _unknown_path(path))

    return routes


def _endpoint(
    kind: Kind, current: Callable[[], Settings], intake: Intake, metrics: Metrics, clock: Callable[[], datetime]
) -> Callable[..., Response]:
    def wanted(req: Request, source: str | None = None) -> Wanted:
        settings = current()
        try:
            candidates = _admit(req, kind, settings, source)
        except Refused:
            return NOTHING
        known = any(has_login(each) or each.hmac_secret is None for each in candidates)
        admitted = Admitted(settings, candidates)
        return Wanted(settings.limits.body, known, defers=True, because=admitted) if is_plain(req) else NOTHING

    @reads_body(wanted)
    def receive(source: str | None = None) -> Response:
        began = time.perf_counter()
        try:
            handed_in = _receive(kind, current(), intake, source, clock())
        except Exception as error:
            answer = _no(metrics, error) if isinstance(error, Refused) else _not_now(metrics, error, Response())
            metrics.answered(kind.type, time.perf_counter() - began)
            return answer

        def fill(answer: Response) -> None:
            _fill(answer, handed_in, metrics)
            metrics.answered(kind.type, time.perf_counter() - began)

        return Later(handed_in.stored, PATIENCE, fill)

    return receive


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who may have sent a webhook, by its headers and these settings."""

    settings: Settings
    candidates: list[SourceSettings]


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A webhook that the store has yet to commit, and what its metrics and log line say."""

    source: str
    label: str  #: the source in metrics
    alerts: int
    request_id: str
    stored: Future[Accepted]


def _receive(kind: Kind, settings: Settings, intake: Intake, name: str | None, now: datetime) -> HandedIn:
    candidates = _admitted(kind, settings, name)
    label = _label(settings, candidates)
    body = body_of(settings.limits.body, label)
    source = _signed(candidates, body, now, label)
    label = source.name if settings.sources else "unknown"
    try:
        group = kind.parse(body, source.name, now, source.dedup_key == "source_and_group")
    except InvalidPayload as fault:
        raise Refused(400, str(fault), label, fault.field) from fault
    return HandedIn(source.name, label, len(group.alerts), request_id.current(), intake.hand_in(group))


def _fill(answer: Response, handed_in: HandedIn, metrics: Metrics) -> None:
    """Say what came of it. Not in a request's context: its log lines need its id."""
    logs.remember(request_id=handed_in.request_id)
    try:
        accepted = handed_in.stored.result(timeout=0)
    except TimeoutError:  # it may still be committed; the sender's retry then finds it there and changes nothing
        _not_now(metrics, StoreUnavailable(f"the database took longer than {PATIENCE:g} s"), answer)
        return
    except Exception as error:
        _not_now(metrics, error, answer)
        return
    metrics.accepted(handed_in.label, handed_in.alerts, accepted)
    write = log.info if accepted.outcome.is_event else log.debug
    fields = {"outcome": accepted.outcome, "incident": accepted.number}
    write("webhook_accepted", **fields, source=handed_in.source, alerts=handed_in.alerts)
    _say(answer, 200, **fields)


def _label(settings: Settings, candidates: list[SourceSettings]) -> str:
    """The source's name for metrics, if it is known."""
    return candidates[0].name if settings.sources and len(candidates) == 1 else "unknown"


def _admitted(kind: Kind, settings: Settings, name: str | None) -> list[SourceSettings]:
    """As the headers had it, unless the settings have changed while the body was on its way."""
    wanted = request.environ.get(WANTED, NOTHING)
    if isinstance(wanted.because, Admitted) and wanted.because.settings is settings:
        return wanted.because.candidates
    return _admit(request, kind, settings, name)


def _admit(req: Request, kind: Kind, settings: Settings, name: str | None) -> list[SourceSettings]:
    """The sources that may have sent it, judged without the body."""
    if not settings.sources:
        return [_admit_local(req, kind, settings, name)]
    known = [source for source in settings.sources if source.type == kind.type]
    asked = [source for source in known if name in (None, source.name)]
    if not asked:
        missing = f"named {name!r:.80} of type {kind.type}" if name else f"of type {kind.type}"
        raise Refused(404, f"there is no source {missing} in routes.yaml: add it under sources, or correct the URL")
    candidates = matching_senders(req, asked) or _without_credential(req, settings, asked)
    if not candidates:
        raise _unauthorized(req, kind, asked)
    signed = [each for each in candidates if each.hmac_secret is None or SIGNATURE in req.headers]
    if not signed:
        raise Refused(403, UNSIGNED, _label(settings, candidates))
    return signed


def _admit_local(req: Request, kind: Kind, settings: Settings, name: str | None) -> SourceSettings:
    why = why_not_local(req, settings)
    if why:
        text = f"no sources are configured, so only this machine may send, and {why}: add a source with a token"
        raise Refused(403, text)
    if name is not None and not NAME.fullmatch(name):
        raise Refused(404, "a source's name has at most 63 lower-case letters, digits, - and _")
    return _unconfigured(name or kind.path, kind.type)


@functools.lru_cache(256)  # validation costs more than the rest of the decision
def _unconfigured(name: str, type_: Literal["alertmanager", "grafana", "cloud_monitoring"]) -> SourceSettings:
    return SourceSettings(name=name, type=type_)


def _without_credential(req: Request, settings: Settings, asked: list[SourceSettings]) -> list[SourceSettings]:
    """A source without a credential accepts requests of this machine only."""
    alone = len(asked) == 1 and not has_credential(asked[0])
    return asked if alone and not why_not_local(req, settings) else []


def why_not_local(req: Request, settings: Settings) -> str:
    """Why the request is not treated as one of this machine's programs; empty when it is."""
    if from_another_site(req, settings):
        return "it comes from another site's page"
    return caller_of(req, settings).remote


def _signed(candidates: list[SourceSettings], body: bytes, now: datetime, label: str) -> SourceSettings:
    faults = [signature_fault(request, source, body, now) for source in candidates]
    for source, fault in zip(candidates, faults, strict=True):
        if fault is None:
            return source
    raise Refused(403, faults[0] or "", label)


def _unauthorized(req: Request, kind: Kind, asked: list[SourceSettings]) -> Refused:
    source = asked[0].name if len(asked) == 1 else "unknown"
    basic = any(each.basic_auth for each in asked)
    wants = [f'{scheme} realm="incident bridge"' for scheme in ("Bearer", *(("Basic",) if basic else ()))]
    if kind.type == "cloud_monitoring":  # it requires this challenge first
        wants = wants[1:] or wants
    if "Authorization" in req.headers or QUERY_TOKEN in req.args:
        text = f"the credential is not one of this source's: compare {kind.settings_at} with routes.yaml"
    else:
        text = f"a credential is missing: {kind.credential_at}"
    return Refused(401, text, source, wants=", ".join(wants))


def body_of(limit: int, source: str, what_to_do: str = "raise limits.body in routes.yaml") -> bytes:
    """The request's body. Raises Refused."""
    if not is_plain(request):
        raise Refused(415, "the body must not be compressed: send it without Content-Encoding", source)
    try:
        return read_at_most(limit)
    except RequestEntityTooLarge:
        size = request.content_length  # None for a chunked body
        text = f"the body is larger than the {limit} bytes that are allowed: {what_to_do}"
        raise Refused(413, text, source, size=size, limit=limit) from None
    except NoRoom:
        text = "too many bytes are being received (limits.buffered in routes.yaml): send it again"
        raise Refused(503, text, source, size=request.content_length) from None
    except ClientDisconnected:
        raise Refused(400, "the body ended before its Content-Length", source) from None


def _unknown_path(path: str) -> Refused:
    kind = next((kind for kind in KINDS if kind.path == path.split("/")[0]), None)
    if kind is None:
        known = ", ".join(f"/webhook/{kind.path}" for kind in KINDS)
        return Refused(404, f"there is no endpoint /webhook/{path:.80}; known are {known}")
    code = 404 if request.method in kind.methods else 405
    return Refused(code, f"POST to /webhook/{kind.path}/<source>", allow=", ".join(kind.methods))


def _no(metrics: Metrics, refused: Refused) -> Response:
    metrics.refused(refused.source, METRIC_OF.get(refused.code, "invalid"))
    log.warning("webhook refused", code=refused.code, source=refused.source, why=refused.message, **refused.logged)
    return answer_of(refused)


def answer_of(refused: Refused) -> Response:
    answer = jsonify(error=refused.message, field=refused.field)
    answer.status_code = refused.code
    if refused.wants:
        answer.headers["WWW-Authenticate"] = refused.wants
    if refused.code == 405:
        answer.headers["Allow"] = refused.allow
    if refused.code == 503:
        answer.headers["Retry-After"] = "1"
    return answer


def _not_now(metrics: Metrics, error: Exception, answer: Response) -> Response:
    """The bridge cannot store it: the sender should retry, and the log has the cause."""
    metrics.refused("unknown", "unavailable")
    known = isinstance(error, StoreUnavailable)
    log.error("webhook not stored", error=str(error), exc_info=None if known else error)
    _say(answer, 503, error="the bridge cannot store this now: send it again", field="")
    answer.headers["Retry-After"] = "1"
    return answer


def _say(answer: Response, code: int, **fields: object) -> None:
    """As jsonify does, which needs the application's context."""
    answer.status_code, answer.mimetype = code, "application/json"
    answer.set_data(json.dumps(fields, separators=(",", ":"), sort_keys=True) + "\n")
