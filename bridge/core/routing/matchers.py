"""Label matchers as Alertmanager reads them: severity="critical", team=~"ml|data", "über name"!="x".

Its rule (matcher/compat/parse.go): try the classic grammar first, and the UTF-8 grammar for all that it rejects.
Invariant: str(matcher) is canonical and means the same in both; a missing label is the empty string.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import re2

from bridge.core.routing.matcher_syntax import SyntaxFault, Term, classic_terms, utf8_terms

OPERATORS = ("=~", "!~", "!=", "=")
_CLASSIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class MatcherError(ValueError):
    """The text is not a matcher: what was seen, at which character, and a correct example."""

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
            raise MatcherError(f"{self.op!r} is not an operator: use one of = != =~ !~", self.op, 0)
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


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Matchers between commas, with or without braces: {a="b", c=~"d"} or a="b",c!="d"."""
    return tuple(Matcher(term.name, term.op, term.value) for term in read_terms(text))


def read_terms(text: str) -> tuple[Term, ...]:
    """As parse_matchers, with each term's position and quoting. Raises MatcherError."""
    faults: list[SyntaxFault] = []
    for grammar in (classic_terms, utf8_terms):
        try:
            return _checked(grammar(text))
        except SyntaxFault as fault:
            faults.append(fault)
    classic, utf8 = faults
    furthest = utf8 if classic.vague or utf8.position > classic.position else classic
    raise MatcherError(furthest.what, text, furthest.position, furthest.example)


def _checked(terms: list[Term]) -> tuple[Term, ...]:
    """A grammar does not fit either if it yields an invalid matcher."""
    for term in terms:
        try:
            Matcher(term.name, term.op, term.value)
        except MatcherError as error:
            where = term.value_at if error.what.startswith("the regular expression") else term.start
            raise SyntaxFault(error.what, where, error.example) from None
    return tuple(terms)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@functools.lru_cache(maxsize=4096)
def _compile(pattern: str) -> Any:
    """Anchored by adding text, as Alertmanager does, so `\\Qa` swallows the bracket here too."""
    try:
        return _compiled(f"^(?:{pattern})$")
    except re2.error as error:
        raise MatcherError(
            f"the regular expression is refused by RE2 ({_why(pattern, error)})", pattern, 0, 'team=~"ml|data"'
        ) from None


def _why(pattern: str, error: re2.error) -> str:
    """The error for the bare pattern, if it is invalid without the anchors."""
    try:
        _compiled(pattern)
    except re2.error as alone:
        error = alone
    why = error.args[0] if error.args else "unknown reason"
    return why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    # Bytes, because a label may contain what cannot be encoded, and bytes need no translation of offsets.
    return re2.compile(pattern.encode("utf-8", "replace"), options)
