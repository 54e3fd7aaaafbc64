"""Dead letters on the pages and in the API: explained, escaped, cut, and behind the login."""

from dataclasses import replace

import pytest
from werkzeug.security import generate_password_hash

from bridge.core.delivery.dead_letters import DeadLetter, DeadLetterFilter
from bridge.core.errors import Reason
from tests.answers import body_of
from tests.web.web_fakes import NOW, PLAIN, World

LETTER = DeadLetter(
    7, "Toxic <script>", "open", "critical", "slack-ml", "", NOW, 2, Reason.PAYLOAD, "<b>no</b>", "<i>&" + "x" * 5000
)


@pytest.fixture
def world() -> World:
    world = World()
    world.reader.letters = [LETTER]
    return world


def test_the_page_explains_each_and_how_to_replay_it(world: World) -> None:
    page = world.get("/dead-letters").text
    for words in ("1 dead letter<", "smallest one", "bridge incidents replay 7 --channel slack-ml", "/incidents/7"):
        assert words in page
    assert "The first 4000 of 5004 characters" in page and "bridge incidents dead --show 7 slack-ml" in page
    assert "x" * 4000 not in page


def test_a_refused_payload_is_escaped(world: World) -> None:
    page = world.get("/dead-letters").text
    assert "&lt;i&gt;&amp;xxx" in page and "&lt;b&gt;no&lt;/b&gt;" in page
    for markup in ("<script", "<i>", "<b>no"):
        assert markup not in page


def test_the_page_of_an_incident_shows_the_refused_payload(world: World) -> None:
    world.reader.delivery = replace(world.reader.delivery, status="dead", refused="<i>{}")
    page = world.get("/incidents/7").text
    assert "What was refused" in page and "&lt;i&gt;{}" in page


def test_the_page_without_dead_letters_says_so() -> None:
    assert "No dead letters" in World().get("/dead-letters").text


def test_the_api_filters_and_explains_dead_letters(world: World) -> None:
    answer = body_of(world.get("/api/v1/dead-letters?channel=slack-ml&reason=payload&limit=5"))
    assert world.reader.wanted == DeadLetterFilter(channel="slack-ml", reason=Reason.PAYLOAD)
    (letter,) = answer["dead_letters"]
    assert (letter["incident_number"], letter["reason"], letter["refused"]) == (7, "payload", LETTER.refused)
    assert "replay" in letter["what_to_do"] and letter["since"] == NOW.isoformat()


def test_an_invalid_reason_is_refused(world: World) -> None:
    answer = world.get("/api/v1/dead-letters?reason=bad")
    assert (answer.status_code, "network" in body_of(answer)["error"]) == (400, True)


def test_dead_letters_need_a_login() -> None:
    users = f'web: {{users: {{ann: "{generate_password_hash("right", method="scrypt")}"}}}}\n'
    world = World(PLAIN + users, require_login=True)
    assert [world.get(path).status_code for path in ("/dead-letters", "/api/v1/dead-letters")] == [401, 401]
