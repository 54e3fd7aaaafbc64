"""A Prometheus that answers every query alike, or does not answer, as a test wants it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # each query is a connection of its own; one that does not fit waits a second


class Prometheus:
    """Behaves as `mode` says: hang, nonsense, error or answer; then with one sample of `value` and these labels, and
    with no history."""

    def __init__(self, mode: str, value: float, labels: dict[str, str]) -> None:
        self.mode, self.value, self.labels = mode, value, labels
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked += 1
                outer.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = Server(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.mode == "hang":
            time.sleep(4)
        sample = {"metric": self.labels, "value": [time.time(), str(self.value)]}
        data: dict[str, Any] = {"resultType": "vector", "result": [sample]}
        if request.path.endswith("/query_range"):
            data = {"resultType": "matrix", "result": []}
        good = {"status": "success", "data": data}
        body = {"nonsense": b"<html>", "error": b'{"status":"error"}'}.get(self.mode, json.dumps(good).encode())
        with contextlib.suppress(OSError):  # the bridge has gone
            request.send_response(500 if self.mode == "error" else 200)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)


@contextlib.contextmanager
def fake_prometheus(mode: str, value: float, **labels: str) -> Iterator[Prometheus]:
    prometheus = Prometheus(mode, value, labels)
    thread = threading.Thread(target=prometheus.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield prometheus
    finally:
        prometheus.server.shutdown()
        prometheus.server.server_close()
        thread.join()
