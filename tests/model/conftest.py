"""An empty database to copy: migrating one takes most of the time of an example."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.store import open_database


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    path = tmp_path / "empty.db"
    open_database(f"sqlite:///{path}").dispose()
    return path
