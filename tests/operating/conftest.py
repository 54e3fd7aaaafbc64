"""A sandbox and a token for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from dev.sandbox.running import RunningSandbox, running_sandbox


@pytest.fixture
def token() -> str:
    return secrets.token_hex(16)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(history=100_000) as sandbox:
        yield sandbox
