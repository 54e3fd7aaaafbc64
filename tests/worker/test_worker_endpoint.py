"""The endpoint of a worker that runs in its own process."""

from __future__ import annotations

import pytest

from bridge.app.worker_endpoint import endpoint, listen_for_probes
from bridge.processes.lifeline import Beat


def response(path: str, method: str = "GET", fault: str = "") -> tuple[str, str]:
    status: list[str] = []
    app = endpoint(lambda: b"bridge_x 1\n", lambda: fault)
    body = app({"REQUEST_METHOD": method, "PATH_INFO": path}, lambda line, headers: status.append(line))  # type: ignore
    return status[0], b"".join(body).decode()


def test_the_endpoint_serves_metrics_and_health() -> None:
    assert response("/metrics") == ("200 OK", "bridge_x 1\n")
    assert response("/-/healthy") == ("200 OK", '{"healthy": true, "why": ""}\n')
    assert response("/-/healthy", fault="stuck") == ("503 Service Unavailable", '{"healthy": false, "why": "stuck"}\n')
    assert "404" in response("/")[0] and "404" in response("/-/ready")[0] and "405" in response("/metrics", "POST")[0]


@pytest.mark.parametrize("listen", ["9120", "127.0.0.1", "127.0.0.1:99999", "a b:1"])
def test_an_invalid_address_is_refused_with_an_explanation(listen: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|port|host"):
        listen_for_probes(listen, endpoint(bytes, str))


def test_a_worker_is_healthy_while_it_starts_and_while_it_makes_progress() -> None:
    beat = Beat()
    assert beat.fault(0.0) == ""
    beat.ready()
    assert beat.fault(60.0) == ""
    assert beat.fault(-1.0) == "it made no progress for 0 s (limit -1 s)"
