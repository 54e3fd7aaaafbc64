"""What a storm holds back, as pages and API list it."""

from dataclasses import replace

import pytest

from bridge.core.model import State
from tests.answers import body_of
from tests.web.web_fakes import ALERT, INCIDENT, NOW, World

DIGEST = replace(
    INCIDENT, source="bridge", receiver="storms", group_labels={"alertname": "StormDigest", "channel": "slack-ml"}
)
HELD = "/?channel=slack-ml&amp;held=storm"


@pytest.fixture
def world() -> World:
    return World()


def test_the_link_of_a_digest_leads_to_what_it_stands_for(world: World) -> None:
    page = world.get("/?channel=slack-ml&held=storm").text
    assert "1 incident suppressed on slack-ml" in page
    assert "#7" in page
    assert "Old one" not in page


def test_a_channel_without_a_storm_holds_nothing_back(world: World) -> None:
    assert "No storm suppresses anything on it" in world.get("/?channel=%3Cb%3Email&held=storm").text
    assert "<b>mail" not in world.get("/?channel=%3Cb%3Email&held=storm").text


def test_the_api_lists_what_is_held(world: World) -> None:
    listed = body_of(world.get("/api/v1/incidents?channel=slack-ml&held=storm"))["incidents"]
    assert [7] == [each["number"] for each in listed]
    assert [] == body_of(world.get("/api/v1/incidents?channel=email-ml&held=storm"))["incidents"]


@pytest.mark.parametrize(("word", "numbers"), [("false", [7]), ("true", [])])
def test_of_what_is_held_the_api_lists_those_that_are_wanted(world: World, word: str, numbers: list[int]) -> None:
    listed = body_of(world.get(f"/api/v1/incidents?channel=slack-ml&held=storm&resolved={word}"))["incidents"]
    assert numbers == [each["number"] for each in listed]


def test_a_wrong_word_is_refused_beside_a_right_one(world: World) -> None:
    assert 400 == world.get("/api/v1/incidents?channel=slack-ml&held=storm&resolved=maybe").status_code


@pytest.mark.parametrize(
    "query", ["held=storm", "channel=slack-ml", "channel=slack-ml&held=mute", "channel=&held=storm"]
)
@pytest.mark.parametrize("path", ["/", "/api/v1/incidents"])
def test_half_a_question_is_told_what_is_missing(world: World, path: str, query: str) -> None:
    answer = world.get(f"{path}?{query}")
    assert 400 == answer.status_code
    assert "channel and held go together" in answer.text


def test_the_page_of_a_digest_links_what_it_stands_for_until_its_end(world: World) -> None:
    world.reader.all[7] = DIGEST
    assert HELD in world.get("/incidents/7").text
    world.reader.all[7] = replace(DIGEST, state=State.RESOLVED, resolved_at=NOW, alerts={"f1": ALERT})
    assert HELD not in world.get("/incidents/7").text
    world.reader.all[7] = INCIDENT
    assert HELD not in world.get("/incidents/7").text
