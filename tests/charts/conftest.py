"""The drawing library caches its fonts in a temporary folder, not in a home directory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

_folder = tempfile.TemporaryDirectory(prefix="incident-bridge-test-")
os.environ["MPLCONFIGDIR"] = _folder.name  # read when the library is imported, which collecting the tests does


@pytest.fixture(scope="session", autouse=True)
def _remove_font_folder() -> Iterator[None]:
    yield
    _folder.cleanup()
