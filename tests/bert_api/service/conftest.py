"""A service around the fake model, asked without a socket; and folders of versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_fakes import FakeClassifier, service_with, write_version
from flask.testing import FlaskClient

from bert_api.service.app import Service, create_app


@pytest.fixture
def classifier() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture
def service(classifier: FakeClassifier) -> Iterator[Service]:
    made = service_with(classifier)
    yield made
    classifier.open.set()
    made.inference.close()


@pytest.fixture
def client(service: Service) -> FlaskClient:
    return create_app(service).test_client()


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """Versions 1.0.0 and 1.1.0, and 1.2.0 that cannot be loaded."""
    for version in ("1.0.0", "1.1.0"):
        write_version(tmp_path / "versions", version)
    write_version(tmp_path / "versions", "1.2.0", broken=True)
    return tmp_path / "versions"
