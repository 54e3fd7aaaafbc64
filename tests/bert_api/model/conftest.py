"""The real committed artefact, loaded once, and a state folder of its own for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bert_api.model.classifier import Classifier, load
from bert_api.model.versions import SHIPPED, Versions


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    return load(SHIPPED / "1.1.0")


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(SHIPPED, tmp_path / "state")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A version's folder that a test may damage, with its encoder where the layout has it."""
    models = tmp_path / "models"
    shutil.copytree(SHIPPED / "1.1.0", models / "versions" / "1.1.0")
    shutil.copytree(SHIPPED.parent / "encoder", models / "encoder")
    return models / "versions" / "1.1.0"
