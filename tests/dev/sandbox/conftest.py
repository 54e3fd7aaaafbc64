"""One sandbox for the whole run of these tests; every test starts with it empty and healthy."""

from collections.abc import Iterator

import pytest

from dev.sandbox.running import RunningSandbox, running_sandbox


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(missing_channels=("#gone",)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> RunningSandbox:
    shared_sandbox.clear_faults()
    shared_sandbox.reset()
    return shared_sandbox
