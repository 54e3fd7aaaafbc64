"""One sandbox for all of these tests; every test starts with it empty and healthy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.running import RunningSandbox, running_sandbox


@pytest.fixture(scope="session")
def vendors_running() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def vendors(vendors_running: RunningSandbox) -> RunningSandbox:
    vendors_running.clear_faults()
    vendors_running.reset()
    return vendors_running
