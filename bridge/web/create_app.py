"""The application factory: registers the blueprints, error handlers and common headers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from flask import Flask, Response, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadHost, HTTPException

from bridge.config.settings import Settings
from bridge.core.changes import WINDOW
from bridge.core.cursors import BadCursor
from bridge.core.errors import StoreUnavailable
from bridge.core.incidents.actions import Actions
from bridge.core.incidents.state_changes import Flaps, flaps_of
from bridge.core.model import Incident
from bridge.core.ports import ChangeStore, Intake
from bridge.core.views import Reader
from bridge.observability import logs
from bridge.observability.metrics import Metrics
from bridge.rendering.text import clean
from bridge.web import actions as action_endpoints
from bridge.web import api, changes, incident_pages, operations, pages, request_id, runbooks, webhooks
from bridge.web import charts as chart_pages
from bridge.web.charts import ChartStore
from bridge.web.logins import Logins
from bridge.web.probing import StoreProbe

log = logs.get(__name__)
FOR_MACHINES = ("/webhook", "/api/", "/-/", "/events", "/callback", "/metrics")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


def create_app(
    current: Callable[[], Settings],
    intake: Intake,
    reader: Reader,
    kept: ChangeStore,
    charts: ChartStore,
    *,
    actions: Actions,
    metrics: Metrics,
    reload: Callable[[], list[str]] | None = None,
    clock: Callable[[], datetime],
    require_login: bool = True,
) -> Flask:
    """`current` returns the settings in force, which a reload may change; `reload` returns its faults.

    `require_login` is for servers that other machines can reach: pages and API then require a login in any case.
    """
    app = Flask("bridge.web")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.finalize = _cleaned
    logins = Logins(current, clock, required=require_login)

    def flaps(found: Incident) -> Flaps | None:
        return flaps_of(found, current().incidents.flapping)

    app.register_blueprint(webhooks.blueprint(current, intake, metrics, clock))
    app.register_blueprint(operations.blueprint(current, StoreProbe(reader, intake, clock), metrics, reload, logins))
    app.register_blueprint(changes.blueprint(current, kept, metrics, clock))
    app.register_blueprint(
        api.blueprint(reader, kept, clock, logins, lambda: _window(current()), flaps, lambda: current().retention)
    )
    app.register_blueprint(action_endpoints.blueprint(current, actions, clock, logins))
    app.register_blueprint(pages.blueprint(reader, kept, clock, logins))
    app.register_blueprint(
        incident_pages.blueprint(current, reader, kept, charts, clock, logins, lambda: _window(current()), flaps)
    )
    app.register_blueprint(runbooks.blueprint(logins))
    app.register_blueprint(chart_pages.blueprint(charts, clock))
    app.add_url_rule("/favicon.ico", "favicon", lambda: app.send_static_file("icon.svg"))
    app.before_request(request_id.begin)
    app.before_request(_refuse_invalid_query)
    app.after_request(_safe_headers)
    app.after_request(request_id.end)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(BadCursor, _bad_cursor)
    app.register_error_handler(StoreUnavailable, _store_unavailable)
    app.register_error_handler(Exception, _unexpected)
    return app


def _cleaned(value: object) -> object:
    """For all template output: text without control characters or bidirectional overrides."""
    return clean(value) if type(value) is str else value


def _window(settings: Settings) -> timedelta:
    """How far before an incident's start its page shows changes: as far as its messages do."""
    return settings.context.window if settings.context else WINDOW


def _refuse_invalid_query() -> None:
    """Invalid UTF-8 would fail in Werkzeug wherever an argument is read, and NUL in PostgreSQL."""
    if isinstance(request.routing_exception, BadHost):  # handled first: without a host the error page has no links
        return
    if not request.query_string:
        return
    try:
        request.query_string.decode()
    except UnicodeDecodeError:
        abort(400, "The query string is not UTF-8: percent-encode it.")
    if any("\0" in value for value in request.args.values()):
        abort(400, "The query string contains NUL (%00), which no name has.")


def _safe_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers[name] = value
    if request.endpoint not in ("static", "favicon"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None:
        return error.response
    if isinstance(error, BadHost):  # the error page cannot be rendered without links
        return Response("The Host header is not a host.\n", 400, mimetype="text/plain")
    answer = _problem(error.code or 500, error.name, error.description or error.name)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            answer.headers[name] = value
    return answer


def _bad_cursor(_: BadCursor) -> ResponseReturnValue:
    text = "The cursor is not one of this list: take it from the previous page, or leave it out to start over."
    return _problem(400, "Invalid cursor", text)


def _store_unavailable(error: StoreUnavailable) -> ResponseReturnValue:
    log.warning("store_unavailable", path=request.path, error=str(error))
    answer = _problem(503, "Not now", "The bridge cannot reach its store. Try again in a few seconds.")
    answer.headers["Retry-After"] = "5"
    return answer


def _unexpected(error: Exception) -> ResponseReturnValue:
    log.error("request_failed", path=request.path, exc_info=error)
    return _problem(500, "Internal error", "The bridge failed to answer this. Its log has the details.")


def _problem(code: int, title: str, text: str) -> Response:
    if request.path.startswith(FOR_MACHINES):
        answer = jsonify(error=text)
    else:
        answer = Response(render_template("problem.html", title=title, text=text), mimetype="text/html")
    answer.status_code = code
    return answer
