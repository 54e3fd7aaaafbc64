"""Suppressed incidents on the pages and in the API."""

from dataclasses import replace

import pytest

from bridge.core.model import State
from tests.answers import body_of
from tests.web.web_fakes import ALERT, INCIDENT, NOW, World

DIGEST = replace(
    INCIDENT, source="bridge", receiver="storms", group_labels={"alertname": "StormDigest", "channel": "slack-ml"}
)
SUPPRESSED = "/?channel=slack-ml&amp;held=storm"


@pytest.fixture
def world() -> World:
    return World()


def test_the_link_of_a_digest_lists_its_suppressed_incidents(world: World) -> None:
    page = world.get("/?channel=slack-ml&held=storm").text
    assert "1 incident suppressed on slack-ml" in page
    assert "#7" in page
    assert "Old one" not in page


def test_a_channel_without_a_storm_suppresses_nothing(world: World) -> None:
    assert "No storm suppresses anything on it" in world.get("/?channel=%3Cb%3Email&held=storm").text
    assert "<b>mail" not in world.get("/?channel=%3Cb%3Email&held=storm").text


def test_the_api_lists_suppressed_incidents(world: World) -> None:
    listed = body_of(world.get("/api/v1/incidents?channel=slack-ml&held=storm"))["incidents"]
    assert [each["number"] for each in listed] == [7]
    assert body_of(world.get("/api/v1/incidents?channel=email-ml&held=storm"))["incidents"] == []


@pytest.mark.parametrize(("word", "numbers"), [("false", [7]), ("true", [])])
def test_the_api_filters_suppressed_incidents(world: World, word: str, numbers: list[int]) -> None:
    listed = body_of(world.get(f"/api/v1/incidents?channel=slack-ml&held=storm&resolved={word}"))["incidents"]
    assert [each["number"] for each in listed] == numbers


def test_an_invalid_parameter_beside_valid_ones_is_refused(world: World) -> None:
    assert world.get("/api/v1/incidents?channel=slack-ml&held=storm&resolved=maybe").status_code == 400


INCOMPLETE = ["held=storm", "channel=slack-ml&held=mute", "channel=&held=storm"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/", "channel=slack-ml"),  # of the API, a channel alone is a filter
        *((path, query) for path in ("/", "/api/v1/incidents") for query in INCOMPLETE),
    ],
)
def test_an_incomplete_query_is_explained(world: World, path: str, query: str) -> None:
    answer = world.get(f"{path}?{query}")
    assert answer.status_code == 400
    assert "channel and held go together" in answer.text


def test_the_page_of_a_digest_links_its_suppressed_incidents_until_its_end(world: World) -> None:
    world.reader.all[7] = DIGEST
    assert SUPPRESSED in world.get("/incidents/7").text
    world.reader.all[7] = replace(DIGEST, state=State.RESOLVED, resolved_at=NOW, alerts={"f1": ALERT})
    assert SUPPRESSED not in world.get("/incidents/7").text
    world.reader.all[7] = INCIDENT
    assert SUPPRESSED not in world.get("/incidents/7").text
