"""The server in front of the application: waitress, and what it answers without asking the application.

Waitress reads whole requests before a thread sees them, so a slow client occupies no thread; docs/bert-api.md compares
it with gunicorn.
Invariant: the server's own refusals are reported as every other error: waitress' texts would repeat what was sent.
"""

from __future__ import annotations

import json
import threading

import waitress
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask, WSGITask

from bert_api.service.app import Service, create_app
from bert_api.service.problems import content, too_large
from bert_api.service.settings import Settings

CONNECTIONS = 2000
#: by status: code, message, hint; 413 names a limit and is made when it is known
REFUSALS = {
    400: ("bad_request", "The request is not well-formed HTTP.", "Send it with a library for HTTP."),
    431: (
        "headers_too_large",
        "The headers are too long.",
        "Send fewer or shorter headers; none but Content-Type is read.",
    ),
    501: (
        "transfer_encoding",
        "The Transfer-Encoding is not known.",
        "Send the body with a Content-Length, or chunked.",
    ),
}
OUR_FAULT = ("our_fault", "Something broke inside the API.", "Try again; its log says what broke, and where.")


def listen(settings: Settings, service: Service) -> BaseWSGIServer:
    """Bound to its address; it answers once it runs."""
    server = waitress.create_server(
        create_app(service),
        host=settings.host,
        port=settings.port,
        threads=settings.threads,
        connection_limit=CONNECTIONS,
        ident=None,
        # Up to this it reads a body that is too long for us, so that our own 413 is counted, too.
        max_request_body_size=max(4 * settings.body_bytes, 4 * 1024**2),
    )
    server.channel_class = channel_class(service.draining, settings.body_bytes)
    return server


def channel_class(draining: threading.Event, body_bytes: int) -> type[HTTPChannel]:
    """While draining, every answer says `Connection: close`: a client that keeps its connection asks elsewhere next."""

    class Task(WSGITask):  # type: ignore[misc]
        def build_response_header(self) -> bytes:
            if draining.is_set():
                self.set_close_on_finish()
            header: bytes = super().build_response_header()
            return header

    class Refusal(ErrorTask):  # type: ignore[misc]
        def execute(self) -> None:
            error = self.request.error
            body = refusal(error.code, body_bytes)
            self.status = f"{error.code} {error.reason}"
            self.response_headers.append(("Content-Type", "application/json"))
            self.set_close_on_finish()
            self.content_length = len(body)
            self.write(body)

    class Channel(HTTPChannel):  # type: ignore[misc]
        task_class = Task
        error_task_class = Refusal

    return Channel


def refusal(status: int, body_bytes: int) -> bytes:
    document = too_large(body_bytes) if status == 413 else content(*REFUSALS.get(status, OUR_FAULT))
    return json.dumps(document).encode() + b"\n"
