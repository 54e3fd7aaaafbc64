"""The application factory: the routes, what every answer has in common, and what is measured of each request."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from bert_api.drills import Drills
from bert_api.metrics import CONTENT_TYPE, Metrics
from bert_api.service import drilling, predicting
from bert_api.service.inference import Inference
from bert_api.service.probing import ProbeAllowance
from bert_api.service.problems import problem, too_large
from bert_api.service.questions import EXAMPLE, Refused
from bert_api.service.serving import ModelSlot

log = logging.getLogger(__name__)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
OPERATIONAL = frozenset({"/healthz", "/readyz", "/metrics"})
HINTS = {
    404: "There are POST /predict, GET /model, GET /healthz, GET /readyz and GET /metrics.",
    405: "The Allow header names the methods that this path knows.",
}


@dataclass(frozen=True)
class Service:
    """What the routes need. `probes` says which requests are not counted as traffic. `draining` is set as soon as the
    process is asked to end."""

    metrics: Metrics
    slot: ModelSlot
    inference: Inference
    probes: ProbeAllowance
    drills: Drills | None = None
    body_bytes: int = 262_144
    draining: threading.Event = field(default_factory=threading.Event)


def create_app(service: Service) -> Flask:
    app = Flask("bert_api", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["MAX_CONTENT_LENGTH"] = service.body_bytes
    _measure(app, service.metrics)
    app.register_blueprint(predicting.blueprint(service.slot, service.inference, service.metrics, service.probes))
    if service.drills is not None:
        app.register_blueprint(drilling.blueprint(service.drills))
    _operations(app, service)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(RequestEntityTooLarge, lambda _: _too_large(service.body_bytes))
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
    return app


def _measure(app: Flask, metrics: Metrics) -> None:
    """Health checks and scrapes are no load, so they are timed but not counted as in progress; golden probes are load,
    so they are counted as in progress but not timed."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        g.handler = request.url_rule.rule if request.url_rule else "unmatched"
        if g.handler not in OPERATIONAL:
            metrics.in_progress.inc()

    @app.after_request
    def observe(response: Response) -> Response:
        method = request.method if request.method in METHODS else "other"
        seconds = time.perf_counter() - g.began
        if g.get("golden_probe"):
            metrics.probed("answered" if response.status_code < 500 else "failed")
        else:
            metrics.requests.labels(method, g.handler, str(response.status_code)).observe(seconds)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        if g.handler not in OPERATIONAL:
            metrics.in_progress.dec()


def _operations(app: Flask, service: Service) -> None:
    @app.get("/healthz")
    def alive() -> ResponseReturnValue:
        return jsonify(alive=True)

    @app.get("/readyz")
    def ready() -> ResponseReturnValue:
        if service.draining.is_set():
            return jsonify(ready=False, why="this process is ending: ask another replica"), 503
        if service.slot.served is None:
            return jsonify(ready=False, why="no model has passed its warm-up yet: the log says why"), 503
        return jsonify(ready=True, model_version=service.slot.served.version)

    @app.get("/metrics")
    def show_metrics() -> ResponseReturnValue:
        return Response(service.metrics.exposition(), content_type=CONTENT_TYPE)


def _refused(refused: Refused) -> ResponseReturnValue:
    return problem(refused.status, refused.code, refused.message, refused.hint)


def _too_large(limit: int) -> ResponseReturnValue:
    return jsonify(too_large(limit)), 413


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    answer = problem(status, error.name.lower().replace(" ", "_"), f"{error.name}.", HINTS.get(status, EXAMPLE))
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            answer.headers[name] = value
    return answer


def _unexpected(error: Exception) -> ResponseReturnValue:
    log.error("a request failed", exc_info=error)
    return problem(
        500, "our_fault", "Something broke inside the API.", "Try again; its log says what broke, and where."
    )
