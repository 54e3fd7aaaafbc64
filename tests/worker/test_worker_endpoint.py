"""What a worker that runs apart answers at its own address."""

from __future__ import annotations

import pytest

from bridge.app.worker_endpoint import endpoint, listen_for_probes
from bridge.processes.lifeline import Beat


def asked(path: str, method: str = "GET", fault: str = "") -> tuple[str, str]:
    status: list[str] = []
    app = endpoint(lambda: b"bridge_x 1\n", lambda: fault)
    body = app({"REQUEST_METHOD": method, "PATH_INFO": path}, lambda told, headers: status.append(told))  # type: ignore
    return status[0], b"".join(body).decode()


def test_what_a_worker_answers() -> None:
    assert asked("/metrics") == ("200 OK", "bridge_x 1\n")
    assert asked("/-/healthy") == ("200 OK", '{"healthy": true, "why": ""}\n')
    assert asked("/-/healthy", fault="stuck") == ("503 Service Unavailable", '{"healthy": false, "why": "stuck"}\n')
    assert "404" in asked("/")[0] and "404" in asked("/-/ready")[0] and "405" in asked("/metrics", "POST")[0]


@pytest.mark.parametrize("listen", ["9120", "127.0.0.1", "127.0.0.1:99999", "a b:1"])
def test_an_address_that_is_none_is_refused_in_words(listen: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|port|host"):
        listen_for_probes(listen, endpoint(bytes, str))


def test_a_worker_lives_while_it_starts_and_while_it_moves() -> None:
    beat = Beat()
    assert beat.fault(0.0) == ""
    beat.ready()
    assert beat.fault(60.0) == ""
    assert beat.fault(-1.0) == "it made no progress for 0 s (limit -1 s)"
