"""One sandbox for all of these tests; every test starts with it empty and healthy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from bridge.outbound.trust import trusted
from dev.sandbox.running import RunningSandbox, running_sandbox
from dev.stack.chromium import chromium
from tests.channels.hostile_vendor import certificate


@pytest.fixture(scope="session")
def vendors_running() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def vendors(vendors_running: RunningSandbox) -> RunningSandbox:
    vendors_running.clear_faults()
    vendors_running.reset()
    return vendors_running


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def believed(own: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The certificate of the vendors, by the variable that requests knows: it counts for all."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own))
    trusted.cache_clear()
    yield own
    trusted.cache_clear()


@pytest.fixture(scope="module")  # meanwhile asyncio.run works only in other threads
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser, for pages as wide as a phone."""
    with chromium(tmp_path_factory.mktemp("chromium"), own_fonts=True) as browser:
        yield browser
