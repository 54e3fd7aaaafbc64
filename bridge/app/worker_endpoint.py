"""What a worker that runs apart answers: GET /metrics and /-/healthy. Nothing secret is in either."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bridge.core.network.addresses import parse_listen
from bridge.observability.metrics import CONTENT_TYPE
from bridge.processes.listening import listen_on

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def endpoint(metrics: Callable[[], bytes], fault: Callable[[], str]) -> WSGIApplication:
    """fault: why the worker is not live; empty when it is."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, kind, body = _answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], metrics, fault)
        start_response(status, [("Content-Type", kind), ("Cache-Control", "no-store")])
        return [body]

    return app


def _answer(method: str, path: str, metrics: Callable[[], bytes], fault: Callable[[], str]) -> tuple[str, str, bytes]:
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", *_json(error="ask with GET")
    if path == "/metrics":
        return "200 OK", CONTENT_TYPE, metrics()
    if path != "/-/healthy":
        return "404 Not Found", *_json(error="a worker answers /metrics and /-/healthy; the rest is the web's")
    why = fault()
    return "503 Service Unavailable" if why else "200 OK", *_json(healthy=not why, why=why)


def _json(**fields: object) -> tuple[str, bytes]:
    return "application/json", json.dumps(fields).encode() + b"\n"


def listen_for_probes(listen: str, app: WSGIApplication) -> None:
    """In a thread of its own, for as long as the process lives. Raises ValueError and OSError."""
    from bridge.app.worker_server import make_server  # only here: most workers have no use for waitress

    server = make_server(app, listen_on(parse_listen(listen)))
    threading.Thread(target=server.run, name="probes", daemon=True).start()
