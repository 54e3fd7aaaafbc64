"""YAML to data: line numbers, variables after parsing, and the plain values of YAML 1.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.document import read_document


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("17:00", "17:00"),
        ("09:30", "09:30"),
        ("1:5", "1:5"),
        ("yes", "yes"),
        ("2026-11-23", "2026-11-23"),
        ("0o17", "0o17"),
        ("007", "007"),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("true", True),
        ("'true'", "true"),
        ("", None),
        ("~", None),
        ("'12'", "12"),
        ("!!python/object/apply:os.system [x]", ["x"]),
    ],
)
def test_plain_values_are_typed_as_in_yaml_1_2(text: str, expected: str | float | bool | list[str] | None) -> None:
    assert read_document(f"a: {text}\n", {}).data == {"a": expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "one"),
        ("x${A}y${A}", "xoneyone"),
        ("${MISSING:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${MISSING:-}", ""),
        ("${A:-two}", "one"),
        ("$${A}", "${A}"),
        ("$A and 5$", "$A and 5$"),
        ("${NESTED}", "${A}"),
        ("${URL:-http://127.0.0.1:9093}", "http://127.0.0.1:9093"),
    ],
)
def test_variables_are_replaced(text: str, expected: str) -> None:
    document = read_document(f"a: '{text}'\n", {"A": "one", "EMPTY": "", "NESTED": "${A}"})
    assert (document.data, document.faults) == ({"a": expected}, [])


@given(st.text(alphabet="ab:{}[]\n#'\"-&*! ", min_size=1, max_size=20))
def test_yaml_in_a_variable_stays_text(value: str) -> None:
    document = read_document("a: ${V}\nb: [c]\n", {"V": value})
    assert document.data == {"a": value, "b": ["c"]}


def test_every_path_has_its_line() -> None:
    document = read_document("a:\n  b:\n    - x\n    - {c: 1,\n       d: 2}\n", {})
    expected = {("a",): 1, ("a", "b"): 2, ("a", "b", 0): 3, ("a", "b", 1, "c"): 4, ("a", "b", 1, "d"): 5}
    assert {path: document.line(path) for path in expected} == expected
    assert document.line(("a", "b", 7, "missing")) == 2


def test_aliases_are_followed() -> None:
    assert read_document("a: &x [1]\nb: *x\n", {}).data == {"a": [1], "b": [1]}


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    document = read_document("\n".join(lines), {})
    assert any("too large" in fault.message for fault in document.faults)


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    read_document(text, {})
