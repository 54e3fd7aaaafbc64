"""Label matchers as Alertmanager writes them: severity="critical", team=~"ml|data", "über name"!="x".

Law: str(matcher) is canonical and parses back to the same matcher; a missing label is the empty string.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import re2

OPERATORS = ("=~", "!~", "!=", "=")
_CLASSIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_UNQUOTED_NAME = re.compile(r"""[^\s{}!=~,\\"'`]+""")
_UNESCAPED = {"n": "\n", '"': '"', "\\": "\\"}


class MatcherError(ValueError):
    """The text is not a matcher: says what was seen, at which character, and shows a right one."""

    def __init__(self, what: str, text: str, position: int, example: str = 'severity="critical"') -> None:
        self.what, self.text, self.position, self.example = what, text, position, example
        super().__init__(f"{what} at character {position + 1} of {text!r}; write for example {example}")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; regular expressions are RE2 and match the whole value."""

    name: str
    op: str
    value: str
    _regex: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.op not in OPERATORS:
            raise MatcherError(f"{self.op!r} is no operator: use one of = != =~ !~", self.op, 0)
        if not self.name:
            raise MatcherError("a matcher needs a label name", str(self), 0)
        if self.op in ("=~", "!~"):
            object.__setattr__(self, "_regex", _compile(self.value))

    def matches(self, labels: Mapping[str, str]) -> bool:
        return self.accepts(labels.get(self.name, ""))

    def accepts(self, value: str) -> bool:
        if self._regex is None:
            return (value == self.value) == (self.op == "=")
        found = self._regex.fullmatch(value.encode("utf-8", "replace")) is not None
        return found == (self.op == "=~")

    def __str__(self) -> str:
        name = self.name if _CLASSIC_NAME.fullmatch(self.name) else _quoted(self.name)
        return f"{name}{self.op}{_quoted(self.value)}"


def format_matchers(matchers: tuple[Matcher, ...]) -> str:
    return "{" + ", ".join(str(matcher) for matcher in matchers) + "}"


def parse_matcher(text: str) -> Matcher:
    """Exactly one matcher. An unquoted value goes to the end of the text, commas included."""
    matcher, position = _one(text, _skip_space(text, 0), len(text), until_comma=False)
    if position < len(text):
        raise MatcherError("one matcher was expected, but more text follows", text, position)
    return matcher


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Matchers between commas, with or without braces: {a="b", c=~"d"} or a="b",c!="d"."""
    position, end = _inside_braces(text)
    matchers: list[Matcher] = []
    while position < end:
        matcher, position = _one(text, position, end, until_comma=True)
        matchers.append(matcher)
        if position < end:
            if text[position] != ",":
                raise MatcherError("a comma was expected between two matchers", text, position, 'a="b",c="d"')
            position = min(_skip_space(text, position + 1), end)
    return tuple(matchers)


def _inside_braces(text: str) -> tuple[int, int]:
    start, end = _skip_space(text, 0), len(text.rstrip())
    if text[start:].startswith("{"):
        if end - start < 2 or text[end - 1] != "}":
            raise MatcherError("the { is never closed by a }", text, start, '{severity="critical"}')
        start, end = _skip_space(text, start + 1), end - 1
        end = start + len(text[start:end].rstrip()) if end > start else start
    return start, end


def _one(text: str, position: int, end: int, *, until_comma: bool) -> tuple[Matcher, int]:
    start = position
    name, position = _name(text, position, end)
    op, position = _operator(text, _skip_space(text, position), end)
    value_at = min(_skip_space(text, position), end)
    value, position = _value(text, value_at, end, until_comma=until_comma)
    try:
        return Matcher(name, op, value), min(_skip_space(text, position), end)
    except MatcherError as error:
        where = value_at + error.position if error.what.startswith("the regular expression") else start
        raise MatcherError(error.what, text, where, error.example) from None


def _name(text: str, position: int, end: int) -> tuple[str, int]:
    if text[position:end].startswith('"'):
        return _quoted_text(text, position, end)
    found = _UNQUOTED_NAME.match(text, position, end)
    if found is None:
        seen = f"but {text[position]!r} was seen" if position < end else "but the text ends"
        raise MatcherError(f"a label name was expected, {seen}", text, position)
    return found.group(), found.end()


def _operator(text: str, position: int, end: int) -> tuple[str, int]:
    for op in OPERATORS:
        if text.startswith(op, position, end):
            return op, position + len(op)
    raise MatcherError("one of = != =~ !~ was expected after the label name", text, min(position, end))


def _value(text: str, position: int, end: int, *, until_comma: bool) -> tuple[str, int]:
    if text[position:end].startswith('"'):
        return _quoted_text(text, position, end)
    comma = text.find(",", position, end) if until_comma else -1
    stop = comma if comma >= 0 else end
    raw = text[position:stop].rstrip()
    if (quote := _bare_quote(raw)) >= 0:
        raise MatcherError("a quote inside a value without quotes", text, position + quote, 'a="say \\"hi\\""')
    if raw.count("}") > raw.count("{"):
        raise MatcherError("a } without its {", text, position + raw.rindex("}"))
    return _unescaped(raw), stop


def _bare_quote(raw: str) -> int:
    found = re.search(r'(?<!\\)(?:\\\\)*"', raw)
    return found.end() - 1 if found else -1


def _quoted_text(text: str, position: int, end: int) -> tuple[str, int]:
    here = position + 1
    while here < end:
        if text[here] == '"':
            return _unescaped(text[position + 1 : here]), here + 1
        here += 2 if text[here] == "\\" else 1
    raise MatcherError("the quote that opens here is never closed", text, position)


def _unescaped(raw: str) -> str:
    # Alertmanager leaves a backslash that escapes nothing as it is, so "\d+" needs no doubling.
    return re.sub(r"(?s)\\(.)", lambda found: _UNESCAPED.get(found[1], found[0]), raw)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


@functools.lru_cache(maxsize=4096)
def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        # Bytes, because a label may hold what cannot be encoded, and bytes need no translation of offsets.
        return re2.compile(pattern.encode("utf-8", "replace"), options)
    except re2.error as error:
        why = error.args[0] if error.args else "unknown reason"
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else why
        what = f"the regular expression is refused by RE2 ({why})"
        raise MatcherError(what, pattern, 0, 'team=~"ml|data"') from None
