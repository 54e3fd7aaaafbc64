"""A link opens one picture until it expires, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.charts.signed_links import LinkCheck, link_check, picture_path
from tests.builders import NOON

KEY, NAME, LATER = b"k" * 32, "n" * 32, NOON + timedelta(days=7)


def parts(path: str) -> tuple[str, str, str]:
    split = urlsplit(path)
    query = dict(parse_qsl(split.query, strict_parsing=True))
    return split.path.removeprefix("/pictures/").removesuffix(".png"), query["expires"], query["signature"]


def test_a_link_is_valid_until_it_expires() -> None:
    name, expires, signature = parts(picture_path(NAME, LATER, KEY))
    assert link_check(name, expires, signature, KEY, LATER - timedelta(seconds=1)) is LinkCheck.VALID
    assert link_check(name, expires, signature, KEY, LATER) is LinkCheck.EXPIRED


def test_the_same_picture_has_the_same_link() -> None:
    assert picture_path(NAME, LATER, KEY) == picture_path(NAME, LATER, KEY)


def test_another_picture_another_time_or_another_key_is_forged() -> None:
    name, expires, signature = parts(picture_path(NAME, LATER, KEY))
    assert link_check("m" * 32, expires, signature, KEY, NOON) is LinkCheck.FORGED
    assert link_check(name, str(int(expires) + 1), signature, KEY, NOON) is LinkCheck.FORGED
    assert link_check(name, expires, signature, b"other" * 7, NOON) is LinkCheck.FORGED
    assert link_check(name, expires, "", KEY, NOON) is LinkCheck.FORGED


def test_a_signed_link_with_an_invalid_name_is_forged() -> None:
    name, expires, signature = parts(picture_path("x", LATER, KEY))
    assert link_check(name, expires, signature, KEY, NOON) is LinkCheck.FORGED


@given(st.text(), st.text(), st.text())
def test_arbitrary_parts_are_forged(name: str, expires: str, signature: str) -> None:
    assert link_check(name, expires, signature, KEY, NOON) is LinkCheck.FORGED


@pytest.mark.parametrize("text", ["é", "\ud800", "\x00"])
def test_unusual_characters_are_forged_and_raise_nothing(text: str) -> None:
    assert link_check(NAME, text, text, KEY, NOON) is LinkCheck.FORGED
