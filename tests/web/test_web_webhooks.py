"""POST /webhook/alertmanager: 200 after the commit, 503 for temporary faults, 4xx for permanent ones."""

import base64
import io

import pytest

from bridge.core.errors import StoreUnavailable
from tests.answers import body_of
from tests.web.web_fakes import BODY, PLAIN, SOURCES, World

REMOTE = "10.0.0.9"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def guarded() -> World:
    return World(PLAIN + SOURCES)


def count(world: World, source: str, outcome: str) -> float | None:
    labels = {"source": source, "outcome": outcome}
    return world.metrics.registry.get_sample_value("bridge_webhooks_received_total", labels)


def test_an_accepted_webhook_is_answered_with_its_incident(world: World) -> None:
    answer = world.post()
    assert (answer.status_code, body_of(answer)) == (200, {"incident": 7, "outcome": "opened"})
    assert world.intake.groups[0].source == "alertmanager"
    assert count(world, "unknown", "opened") == 1


def test_a_name_in_the_path_names_the_source(world: World) -> None:
    assert world.post("/webhook/alertmanager/cluster-2").status_code == 200
    assert world.intake.groups[0].source == "cluster-2"


def test_any_content_type_is_accepted(world: World) -> None:
    assert world.post(Content_Type="text/plain").status_code == 200


@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), RuntimeError("bug"), MemoryError()])
def test_a_body_that_cannot_be_stored_now_is_answered_with_503(
    world: World, error: MemoryError | RuntimeError | StoreUnavailable
) -> None:
    world.intake.error = error
    answer = world.post()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert count(world, "unknown", "unavailable") == 1


def test_a_body_that_can_never_be_accepted_names_the_field(world: World) -> None:
    answer = world.post(data=BODY.replace(b'"firing"', b'"burning"'))
    assert answer.status_code == 400
    assert body_of(answer)["field"] == "alerts[0].status"
    assert "firing" in body_of(answer)["error"]
    assert not world.intake.groups


def test_without_sources_only_this_machine_may_send(world: World) -> None:
    assert world.post(address=REMOTE).status_code == 403
    assert world.post(X_Forwarded_For="10.1.1.1").status_code == 403
    assert world.post(Origin="https://evil.example").status_code == 403
    assert world.post(address="::1").status_code == 200
    assert world.post(address="::ffff:127.0.0.1").status_code == 200


def test_a_token_is_accepted_from_any_address(guarded: World) -> None:
    assert (
        guarded.post("/webhook/alertmanager/prod", address=REMOTE, Authorization="Bearer am-token").status_code == 200
    )
    assert guarded.intake.groups[0].source == "prod"
    assert count(guarded, "prod", "opened") == 1


def test_without_a_name_the_credential_determines_the_source(guarded: World) -> None:
    pair = base64.b64encode("am:pässword".encode()).decode()
    assert guarded.post(Authorization=f"Basic {pair}").status_code == 200
    assert guarded.post(Authorization="bearer other-token").status_code == 200
    assert [(group.source, group.distinct) for group in guarded.intake.groups] == [("other", True)] * 2


@pytest.mark.parametrize("credential", [None, "Bearer wrong", "Bearer other-token", "Basic !!", "Bearer", "Bearer é"])
def test_a_wrong_credential_is_refused_even_from_this_machine(guarded: World, credential: str | None) -> None:
    headers = {"Authorization": credential} if credential else {}
    answer = guarded.post("/webhook/alertmanager/prod", **headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not guarded.intake.groups
    assert count(guarded, "prod", "unauthorized") == 1


def test_an_unknown_source_is_not_found(guarded: World) -> None:
    answer = guarded.post("/webhook/alertmanager/unknown", Authorization="Bearer am-token")
    assert answer.status_code == 404
    assert "routes.yaml" in body_of(answer)["error"]


def test_a_source_without_a_credential_accepts_this_machine_only() -> None:
    world = World(PLAIN + "sources: [{name: prod}]")
    assert world.post().status_code == 200
    assert world.post(address=REMOTE).status_code == 401


def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    world = World(PLAIN + "limits: {body: 1024}")
    assert world.post(data=b" " * 2000).status_code == 413
    assert count(world, "unknown", "too_large") == 1


def test_a_chunked_body_is_cut_off_at_the_limit() -> None:
    world = World(PLAIN + "limits: {body: 1024}")
    stream = io.BytesIO(b" " * 1_000_000)
    environ = {"wsgi.input_terminated": True, "REMOTE_ADDR": "127.0.0.1"}
    answer = world.client.post(
        "/webhook/alertmanager",
        input_stream=stream,
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides=environ,
    )
    assert answer.status_code == 413
    assert stream.tell() < 200_000


def test_a_compressed_body_is_refused(world: World) -> None:
    assert world.post(Content_Encoding="gzip").status_code == 415


def test_other_paths_and_methods_name_the_right_ones(world: World) -> None:
    assert "/webhook/alertmanager" in body_of(world.post("/webhook/nagios"))["error"]
    assert world.get("/webhook/alertmanager").status_code == 405
    assert world.post("/webhook/alertmanager/").status_code == 200


def test_a_reload_changes_the_accepted_credentials(world: World, guarded: World) -> None:
    world.settings = guarded.settings
    assert world.post().status_code == 401
