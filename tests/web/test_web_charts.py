"""Pictures are served with a signed link until it expires, and not otherwise."""

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
    assert (answer.status_code, answer.data) == (200, PNG)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, max-age=86400, immutable"
    assert "Set-Cookie" not in answer.headers


def test_a_picture_is_cached_no_longer_than_its_link_is_valid(world: World) -> None:
    world.now = NOW + timedelta(days=7, seconds=-90)
    assert "max-age=90," in world.client.get(LINK).headers["Cache-Control"]


def test_a_cached_picture_is_not_sent_again(world: World) -> None:
    tag = world.client.get(LINK).headers["ETag"]
    answer = world.client.get(LINK, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.data) == (304, b"")


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
def test_any_other_link_is_refused_before_the_store_is_read(world: World, link: str) -> None:
    assert world.client.get(link).status_code == 403
    assert world.asked == []


def test_an_expired_link_says_so(world: World) -> None:
    world.now = NOW + timedelta(days=7)
    answer = world.client.get(LINK)
    assert answer.status_code == 410
    assert "expired" in answer.text
    assert world.asked == []


def test_a_picture_that_is_no_longer_kept_is_not_found(world: World) -> None:
    world.kept.clear()
    assert world.client.get(LINK).status_code == 404


def test_a_link_is_read_only(world: World) -> None:
    assert (world.client.head(LINK).status_code, world.client.head(LINK).data) == (200, b"")
    assert world.client.post(LINK).status_code == 405
