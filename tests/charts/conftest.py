"""The drawing library keeps its list of fonts in a folder of the test's, not in a home directory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

_folder = tempfile.TemporaryDirectory(prefix="incident-bridge-test-")
os.environ["MPLCONFIGDIR"] = _folder.name  # read when the library is imported, which collecting the tests does


@pytest.fixture(scope="session", autouse=True)
def _without_remains() -> Iterator[None]:
    yield
    _folder.cleanup()
