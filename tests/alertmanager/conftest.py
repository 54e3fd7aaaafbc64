"""One shared real Alertmanager for tests that leave no state, and a fresh one for each test that counts messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alertmanager.real_alertmanager import (
    Alertmanager,
    Receivers,
    configuration,
    running_alertmanager,
    running_receivers,
)


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with running_receivers() as receivers:
        yield receivers


@pytest.fixture
def alertmanager(tmp_path: Path, receivers: Receivers) -> Iterator[Alertmanager]:
    with running_alertmanager(tmp_path / "one", configuration(tmp_path, receivers)) as alertmanager:
        yield alertmanager


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    folder = tmp_path_factory.mktemp("shared")
    with (
        running_receivers() as receivers,
        running_alertmanager(folder / "one", configuration(folder, receivers)) as alertmanager,
    ):
        yield alertmanager
