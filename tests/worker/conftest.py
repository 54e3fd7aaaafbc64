"""A worker's machine for each test, on a database that need not be migrated again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.machine import Machine


@pytest.fixture(autouse=True)
def migrated_before(migrated: Path, tmp_path: Path) -> None:
    shutil.copy(migrated, tmp_path / "bridge.db")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.engine.dispose()
