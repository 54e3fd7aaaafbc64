"""Pictures are shown to whoever holds a signed link, until it ends, and to nobody else."""

from collections.abc import Sequence
from datetime import timedelta

import flask
import pytest

from bridge.core.charts.signed_links import picture_path
from bridge.web.charts import Shown, blueprint
from tests.web.web_fakes import NOW

KEY, NAME, PNG = b"k" * 32, "n" * 32, b"\x89PNG\r\n\x1a\n"
LINK = picture_path(NAME, NOW + timedelta(days=7), KEY)


class World:
    def __init__(self) -> None:
        self.kept, self.now = {NAME: PNG}, NOW
        self.asked: list[str] = []
        app = flask.Flask("test")
        app.register_blueprint(blueprint(self, lambda: self.now))
        self.client = app.test_client()

    def png(self, name: str) -> bytes | None:
        self.asked.append(name)
        return self.kept.get(name)

    def key(self) -> bytes:
        return KEY

    def of_incident(self, incident_number: int) -> Sequence[Shown]:
        raise AssertionError("the links show one picture each")


@pytest.fixture
def world() -> World:
    return World()


def test_a_signed_link_shows_the_picture_without_a_login(world: World) -> None:
    answer = world.client.get(LINK)
    assert (200, PNG) == (answer.status_code, answer.data)
    assert "image/png" == answer.headers["Content-Type"]
    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    assert "private, max-age=86400, immutable" == answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers


def test_a_cache_keeps_it_no_longer_than_the_link_holds(world: World) -> None:
    world.now = NOW + timedelta(days=7, seconds=-90)
    assert "max-age=90," in world.client.get(LINK).headers["Cache-Control"]


def test_what_is_cached_is_not_sent_again(world: World) -> None:
    tag = world.client.get(LINK).headers["ETag"]
    answer = world.client.get(LINK, headers={"If-None-Match": tag})
    assert (304, b"") == (answer.status_code, answer.data)


@pytest.mark.parametrize(
    "link",
    [
        pytest.param(LINK.split("?")[0], id="unsigned"),
        pytest.param(LINK[:-3] + "AAA", id="damaged"),
        pytest.param(LINK.replace("expires=1", "expires=2"), id="longer"),
        pytest.param(LINK.replace(NAME, "m" * 32), id="another picture"),
        pytest.param(picture_path(NAME, NOW + timedelta(days=7), b"other" * 8), id="another key"),
        pytest.param(LINK.replace("signature=", "signature=%FF%00"), id="no letters"),
    ],
)
def test_any_other_link_is_refused_before_the_store_is_asked(world: World, link: str) -> None:
    assert 403 == world.client.get(link).status_code
    assert [] == world.asked


def test_an_expired_link_says_so(world: World) -> None:
    world.now = NOW + timedelta(days=7)
    answer = world.client.get(LINK)
    assert 410 == answer.status_code
    assert "expired" in answer.text
    assert [] == world.asked


def test_a_picture_that_is_no_longer_kept_is_not_found(world: World) -> None:
    world.kept.clear()
    assert 404 == world.client.get(LINK).status_code


def test_a_link_can_be_looked_at_and_not_written_to(world: World) -> None:
    assert (200, b"") == (world.client.head(LINK).status_code, world.client.head(LINK).data)
    assert 405 == world.client.post(LINK).status_code
