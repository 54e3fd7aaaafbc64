"""A service around the fake model, asked without a socket; and folders of versions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from bert_api.model.versions import Versions
from bert_api.service.app import Service, create_app
from tests.bert_api.service.api_fakes import FakeClassifier, service_with, write_version
from tests.bert_api.service.api_receiver import Receiver


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
    """Version 1.0.0, which is chosen in the folder `state`, 1.1.0, and 1.2.0 that cannot be loaded."""
    write_version(tmp_path / "versions", "1.0.0")
    Versions(tmp_path / "versions", tmp_path / "state").activate("1.0.0")
    write_version(tmp_path / "versions", "1.1.0")
    write_version(tmp_path / "versions", "1.2.0", broken=True)
    return tmp_path / "versions"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.gate.set()
        server.shutdown()
        thread.join()
