"""Matchers mean what they mean in Alertmanager, by the cases of its own tests."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.routing.matchers import Matcher, MatcherError, format_matchers, parse_matchers
from tests.core.routing.alertmanager_matchers import CLASSIC, REFUSED, UTF8, Written

TEXTS = st.text(alphabet=" \tab🙂\"\\'`{}!=~,nt0x", max_size=16)


@pytest.mark.parametrize(("text", "expected"), [*CLASSIC.items(), *UTF8.items()])
def test_a_matcher_is_parsed_as_in_alertmanager(text: str, expected: list[Written]) -> None:
    assert [(each.name, each.op, each.value) for each in parse_matchers(text)] == expected


@pytest.mark.parametrize("text", REFUSED)
def test_a_matcher_that_alertmanager_refuses_is_refused(text: str) -> None:
    with pytest.raises(MatcherError):
        parse_matchers(text)


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ('"foo"="bar\\t"', {"foo": "bar\t"}, True),
        ('"\\U0001f642"="x"', {"🙂": "x"}, True),
        ('"\\U0001f642"!="x"', {}, True),
        ('"service.name"=~"a|b"', {"service.name": "b"}, True),
        ('"service.name"=~"a|b"', {"service.name": "ab"}, False),
        ('"service.name"!~".+"', {}, True),
        ('"service.name"=""', {}, True),
        ('a=~"a)(b"', {"a": "ab"}, True),
        ('a=~"x$"', {"a": "x\n"}, False),
    ],
)
def test_matchers_match_as_in_alertmanager(text: str, labels: dict[str, str], expected: bool) -> None:
    assert all(matcher.matches(labels) for matcher in parse_matchers(text)) == expected


@settings(deadline=None)
@given(TEXTS)
def test_formatted_matchers_parse_to_the_same_matchers(text: str) -> None:
    try:
        matchers = parse_matchers(text)
    except MatcherError:
        return
    assert parse_matchers(format_matchers(matchers)) == matchers
    assert all(isinstance(matcher, Matcher) for matcher in matchers)
