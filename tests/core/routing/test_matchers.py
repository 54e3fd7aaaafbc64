"""Matchers: Alertmanager's syntax, the canonical form, and errors that teach."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.routing.matchers import Matcher, MatcherError, format_matchers, parse_matchers

NAMES = st.text(min_size=1, max_size=12)
VALUES = st.text(max_size=20)
MATCHERS = st.builds(Matcher, NAMES, st.sampled_from(["=", "!="]), VALUES)

PARSED = [
    pytest.param('severity="critical"', ("severity", "=", "critical"), id="classic"),
    pytest.param("severity=critical", ("severity", "=", "critical"), id="value without quotes"),
    pytest.param("  a  !=  b c  ", ("a", "!=", "b c"), id="space around, and inside the value"),
    pytest.param('team=~"ml|data"', ("team", "=~", "ml|data"), id="regex"),
    pytest.param("team!~ml|data", ("team", "!~", "ml|data"), id="negative regex without quotes"),
    pytest.param('a=~"x{2}"', ("a", "=~", "x{2}"), id="braces inside a regex"),
    pytest.param("a=", ("a", "=", ""), id="empty value"),
    pytest.param('a=""', ("a", "=", ""), id="empty quoted value"),
    pytest.param(r'a="say \"hi\""', ("a", "=", 'say "hi"'), id="escaped quotes"),
    pytest.param(r'a="x\\y\nz"', ("a", "=", "x\\y\nz"), id="escaped backslash and line feed"),
    pytest.param(r'a=~"\d+"', ("a", "=~", r"\d+"), id="a backslash that escapes nothing stays"),
    pytest.param('"über name"="x"', ("über name", "=", "x"), id="quoted UTF-8 name"),
    pytest.param("größe=x", ("größe", "=", "x"), id="UTF-8 name without quotes"),
    pytest.param("service.name=x", ("service.name", "=", "x"), id="dots, as in OpenTelemetry"),
]


@pytest.mark.parametrize(("text", "expected"), PARSED)
def test_a_matcher_is_parsed(text: str, expected: tuple[str, str, str]) -> None:
    (matcher,) = parse_matchers(text)
    assert (matcher.name, matcher.op, matcher.value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("{}", [], id="empty braces"),
        pytest.param('{a="b", c=~"d"}', ['a="b"', 'c=~"d"'], id="braces"),
        pytest.param('a="b",c!="d"', ['a="b"', 'c!="d"'], id="no braces"),
        pytest.param("{ a = b , }", ['a="b"'], id="comma at the end"),
        pytest.param('a="b,c",d=e', ['a="b,c"', 'd="e"'], id="comma in quotes"),
        pytest.param('{a="}"}', ['a="}"'], id="brace in quotes"),
    ],
)
def test_a_list_of_matchers_is_parsed(text: str, expected: list[str]) -> None:
    assert [str(matcher) for matcher in parse_matchers(text)] == expected


@pytest.mark.parametrize(
    ("text", "position", "what"),
    [
        pytest.param("severity", 9, "one of = != =~ !~ was expected", id="no operator"),
        pytest.param('="x"', 1, "a label name was expected, but '=' was seen", id="no name"),
        pytest.param('a="b', 3, "the quote that opens here is never closed", id="open quote"),
        pytest.param('{"a"="b"', 1, "the { is never closed", id="open brace"),
        pytest.param('"a"=b}', 6, "a } without its {", id="stray brace"),
        pytest.param('"a"="\\w"', 6, "an escape that does not exist", id="escape"),
        pytest.param('a="b" c="d"', 7, "a comma was expected", id="no comma"),
        pytest.param("a=b,,c=d", 5, "a label name was expected", id="two commas"),
        pytest.param('a=b"c', 4, "a quote inside a value without quotes", id="quote inside"),
        pytest.param('a=~"("', 4, "the regular expression is refused by RE2", id="bad regex"),
        pytest.param('a=~"(?=x)"', 4, "the regular expression is refused by RE2", id="lookahead is no RE2"),
        pytest.param('""="x"', 1, "a matcher needs a label name", id="empty name"),
    ],
)
def test_errors_name_the_fault_and_its_place_and_show_a_valid_matcher(text: str, position: int, what: str) -> None:
    with pytest.raises(MatcherError) as caught:
        parse_matchers(text)
    message = str(caught.value)
    assert what in message
    assert f"at character {position} of {text!r}; write for example " in message


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        pytest.param('a="b"', {"a": "b"}, True, id="equal"),
        pytest.param('a="b"', {"a": "bb"}, False, id="not equal"),
        pytest.param('a=""', {}, True, id="a missing label is empty"),
        pytest.param('a!="b"', {}, True, id="a missing label differs"),
        pytest.param('a!=""', {}, False, id="a missing label is not set"),
        pytest.param('a=~"b"', {"a": "abc"}, False, id="regexes match the whole value"),
        pytest.param('a=~"b|c"', {"a": "c"}, True, id="alternatives are anchored together"),
        pytest.param('a=~"b|c"', {"a": "bc"}, False, id="no half alternatives"),
        pytest.param('a=~".*"', {}, True, id="a missing label matches .*"),
        pytest.param('a=~".+"', {}, False, id="a missing label does not match .+"),
        pytest.param('a!~"b.*"', {"a": "xb"}, True, id="negative regex"),
        pytest.param('a=~"a.c"', {"a": "a\nc"}, False, id="a dot is no line feed, as in Go"),
        pytest.param('a=~"ü."', {"a": "üß"}, True, id="characters, not bytes"),
        pytest.param('a=~".*"', {"a": "\ud800"}, True, id="a label that is no UTF-8"),
    ],
)
def test_a_matcher_matches_labels(text: str, labels: Mapping[str, str], expected: bool) -> None:
    (matcher,) = parse_matchers(text)
    assert matcher.matches(labels) == expected


@given(MATCHERS)
def test_the_canonical_form_parses_to_the_same_matcher(matcher: Matcher) -> None:
    assert parse_matchers(str(matcher)) == (matcher,)


@given(st.lists(MATCHERS, max_size=4).map(tuple))
def test_the_canonical_list_parses_to_the_same_matchers(matchers: tuple[Matcher, ...]) -> None:
    assert parse_matchers(format_matchers(matchers)) == matchers


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused_with_a_matcher_error(text: str) -> None:
    try:
        parse_matchers(text)
    except MatcherError as error:
        assert "write for example" in str(error)


@given(st.sampled_from(["a+", "b|c", "[ab]*", ".*x"]), st.text(alphabet="abcx", max_size=6))
def test_a_negative_operator_is_the_opposite(pattern: str, value: str) -> None:
    labels = {"l": value}
    assert Matcher("l", "=~", pattern).matches(labels) != Matcher("l", "!~", pattern).matches(labels)
    assert Matcher("l", "=", pattern).matches(labels) != Matcher("l", "!=", pattern).matches(labels)
