"""One sandbox, bridge and Alertmanager for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.sandbox.running import RunningSandbox, running_sandbox
from tests.end_to_end.machines import Bridge, running_alertmanager, running_bridge


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
