"""One sandbox, bridge and Alertmanager for each test."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from bridge.app.supervisor import Supervisor
from dev.sandbox.running import RunningSandbox, running_sandbox
from tests.end_to_end.machines import Bridge, running_alertmanager, running_bridge
from tests.end_to_end.reconciling import QUICK, Start


@pytest.fixture
def token() -> str:
    return secrets.token_hex(16)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(history=100_000) as sandbox:
        yield sandbox


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox, token: str) -> Iterator[Bridge]:
    with running_bridge(tmp_path, sandbox, token) as bridge:
        yield bridge


@pytest.fixture
def alertmanager(tmp_path: Path, bridge: Bridge, token: str) -> Iterator[str]:
    with running_alertmanager(tmp_path / "alertmanager", bridge.url, token) as url:
        yield url


@pytest.fixture
def asking(tmp_path: Path, bridge: Bridge) -> Start:
    """The bridge with the shipped routes, asking these Alertmanagers often and with short timeouts."""

    def start(*urls: str, **more: str) -> Bridge:
        routes = yaml.safe_load(bridge.config.read_text())
        (source,) = routes["sources"]
        source.pop("url", None)
        source |= {"urls": list(urls), "reconcile": QUICK | more}
        bridge.stop()
        bridge.config = tmp_path / "routes.yaml"
        bridge.config.write_text(yaml.safe_dump(routes))
        bridge.start()
        return bridge

    return start


@pytest.fixture
def supervised(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., int]]:
    """Runs small programs in the place of the halves; the exit code."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}

    def run(hang_seconds: float = 60.0, **commands: Sequence[str]) -> int:
        return Supervisor(commands, os.environ, hang_seconds).run()

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)
