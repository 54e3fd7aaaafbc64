"""The HTTP interface against docs/openapi.yaml: valid and invalid requests generated from it, on a real store."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
import sqlalchemy as sa
import yaml
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.schemas import OpenApiSchema
from werkzeug.security import generate_password_hash

from bridge.app.settings import load_text
from bridge.app.wiring import policy_of
from bridge.core.errors import Reason
from bridge.core.facts import ChangeEvent
from bridge.core.ports import ChannelCapacity, GiveUp, Outcome, Sent
from bridge.observability.metrics import Metrics
from bridge.store import (
    Policy,
    StoreActions,
    StoreChanges,
    StoreCharts,
    StoreDeliveries,
    StoreIntake,
    StoreReader,
    open_database,
)
from bridge.web import create_app
from tests.builders import a_group, an_alert, at

if TYPE_CHECKING:  # only for this checker
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.yaml"
API_TOKEN = "api-token"
TOKEN, LOGIN = "am-token", {"username": "ann", "password": "right"}
ROUTES = f"""
channels:
  mail: {{type: email, smarthost: "127.0.0.1:9", from: a@x.org, to: [b@x.org], tls: none}}
  slack: {{type: slack, token: "${{TOKEN}}", channel: "#ml"}}
route: {{notify: [mail, slack]}}
incidents: {{flapping: {{turns: 2}}}}
sources:
  - {{name: prod, tokens: ["${{TOKEN}}"]}}
  - {{name: graf, type: grafana, tokens: ["${{TOKEN}}"]}}
  - {{name: gcp, type: cloud_monitoring, tokens: ["${{TOKEN}}"]}}
web:
  users: {{ann: "{generate_password_hash(LOGIN["password"], method="scrypt")}"}}
  tokens: [{{name: chatbot, role: responder, hash: "{hashlib.sha256(API_TOKEN.encode()).hexdigest()}"}}]
"""
RIGHT = {"Authorization": "Basic " + base64.b64encode(":".join(LOGIN.values()).encode()).decode()}
FLAPS, OVER, ACKNOWLEDGED, ACTED_ON = 1, 2, 3, 4
PAGES = {"pages", "incident", "runbooks", "static", "favicon"}
CAPACITIES = [ChannelCapacity(name, 100, None, 1, 60.0) for name in ("mail", "slack")]
CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": 1,
        "generation": {"deterministic": True, "database": "none", "max-examples": 10},
        "analysis": {"constants": {"enabled": False}},  # otherwise any change of the code would change the requests
        "auth": {"openapi": {"sourceToken": {"bearer": TOKEN}, "apiToken": {"bearer": API_TOKEN}, "login": LOGIN}},
        "operations": [
            # their 503 is a valid answer
            {
                "include-path": ["/-/ready", "/-/watchdog"],
                "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]}},
            },
            # no schema expresses that channel and held go together, which cursors exist, or how far ahead a time may be
            {
                "include-path": ["/api/v1/incidents", "/api/v1/dead-letters", "/api/v1/changes", "/events/change"],
                "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "401", "403", "429"]}},
            },
            # nor that a login says who acts, what is possible for an incident, or what a key was used for
            {
                "include-tag": "actions",
                "parameters": {"path.number": ACTED_ON},
                "checks": {
                    "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "404", "409", "422", "429"]}
                },
            },
            # an endpoint whose edge cases were tested before: random requests are enough
            {"include-method": "PUT", "phases": {"coverage": {"enabled": False}}},
            {
                "include-path": "/webhook/grafana/{source}",
                "parameters": {"source": "graf"},
                "phases": {"coverage": {"enabled": False}},
            },
            {
                "include-path": "/webhook/cloud-monitoring/{source}",
                "parameters": {"source": "gcp"},
                "phases": {"coverage": {"enabled": False}},
            },
            # this check does not expect that guesses are answered with 429 in the end; test_web_hostile does
            {"include-path-regex": "^/(api|-)/", "checks": {"ignored_auth": {"enabled": False}}},
        ],
    }
)


def api_document() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text())
    return document


class Served:
    """Stands for the app, which is created after the requests are generated."""

    app: Flask

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self.app.wsgi_app(environ, start_response)


def guarded() -> OpenApiSchema:
    """Without the alternative of no credential, which applies to a bridge that only this machine can reach."""
    document = api_document()
    for operation in (each for path in document["paths"].values() for each in path.values() if "security" in each):
        operation["security"] = [scheme for scheme in operation["security"] if scheme]
    schema = schemathesis.openapi.from_dict(document, config=CONFIG)
    schema.location = DOCUMENT.as_uri()  # the base of the reference to the other file
    schema.app = Served()
    return schema


SCHEMA = guarded()


class Clock:
    def __init__(self) -> None:
        self.now = at(0)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def app(shared_database_url: str) -> Iterator[Flask]:
    engine = open_database(shared_database_url)
    clock, chosen = Clock(), load_text(ROUTES, {"TOKEN": TOKEN})
    policy = policy_of(chosen)
    intake = StoreIntake(engine, lambda: policy, clock)
    fill(intake, engine, policy, clock)
    stores = (StoreReader(engine), StoreChanges(engine, clock), StoreCharts(engine, clock))
    SCHEMA.app.app = app = create_app(
        lambda: chosen,
        intake,
        *stores,
        actions=StoreActions(engine, lambda: policy),
        metrics=Metrics(),
        clock=clock,
        require_login=True,
    )
    assert app.test_client().get("/api/v1/changes", headers=RIGHT).status_code == 200  # cached before any guess
    yield app
    intake.close()
    engine.dispose()


def fill(intake: StoreIntake, engine: sa.Engine, policy: Policy, clock: Clock) -> None:
    """A flapping, a resolved and an acknowledged incident, and one to act on, each with a dead letter."""
    store, actions = StoreDeliveries(engine), StoreActions(engine, lambda: policy)
    for cycle in (0, 1):
        for ends in (None, cycle * 120 + 60):
            clock.now = at(cycle * 120 + (ends or 0))
            intake.accept(a_group(an_alert(starts=cycle * 120, ends=ends), key="flaps"))
    intake.accept(a_group(an_alert("Over", starts=1), key="over"))
    intake.accept(a_group(an_alert("Over", starts=1, ends=200), key="over"))
    intake.accept(a_group(an_alert("Taken"), an_alert("Taken", "warning"), key="taken"))
    actions.acknowledge(ACKNOWLEDGED, "ann", clock())
    intake.accept(a_group(an_alert("Acted"), key="acted"))
    outcomes: dict[str, Outcome] = {
        "mail": GiveUp(Reason.DESTINATION, "550 no such user", "Subject: x"),
        "slack": Sent({}),
    }
    claims = store.claim(CAPACITIES, clock())
    store.settle([(claim, outcomes[claim.target.channel]) for claim in claims], clock())
    StoreChanges(engine, clock).record(
        ChangeEvent("deploy", "toxicity", clock(), "v2", labels={"job": "toxicity"}, id="1")
    )
    clock.now += timedelta(minutes=1)


@SCHEMA.parametrize()
def test_any_request_is_answered_as_documented(
    case: schemathesis.Case[APIOperation[Any, Any, Any, OpenApiSchema]], app: Flask
) -> None:
    case.call_and_validate()


@pytest.mark.parametrize(
    ("path", "number", "listed"),
    [
        ("/api/v1/incidents", None, "incidents"),
        ("/api/v1/incidents/{number}", FLAPS, "flapping"),
        ("/api/v1/incidents/{number}", OVER, "resolved_by"),
        ("/api/v1/incidents/{number}", ACKNOWLEDGED, "acknowledged_by"),
        ("/api/v1/incidents/{number}", ACKNOWLEDGED, "deliveries"),
        ("/api/v1/dead-letters", None, "dead_letters"),
        ("/api/v1/changes", None, "changes"),
    ],
)
def test_stored_data_is_returned_as_documented(app: Flask, path: str, number: int | None, listed: str) -> None:
    numbered = {} if number is None else {"number": number}
    answer = SCHEMA[path]["GET"].Case(path_parameters=numbered).call_and_validate(headers=RIGHT)
    assert answer.status_code == 200 and answer.json()[listed]


def test_exactly_the_routes_for_programs_are_documented(app: Flask) -> None:
    documented = {
        (path, method.upper())
        for path, item in api_document()["paths"].items()
        for method in item
        if method != "parameters"
    }
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.split(".")[0] not in PAGES and rule.endpoint != "webhooks.refuse_unknown_path"
    }
    assert served == documented


def test_the_document_is_valid_openapi_of_this_version() -> None:
    SCHEMA.validate()
    project = tomllib.loads((DOCUMENT.parents[1] / "pyproject.toml").read_text())["project"]
    assert project["version"] == api_document()["info"]["version"]
