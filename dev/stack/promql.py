"""Durations in a PromQL expression, found and replaced token by token; everything else stays as it was written.

Invariant: what cannot be recognised is refused, never left at its old length without a word.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from dev.stack.errors import StackError

# https://prometheus.io/docs/prometheus/latest/querying/basics/#float-literals-and-time-durations
MILLISECONDS = {
    "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000,
}  # fmt: skip
PART = re.compile(r"(\d+)(ms|[smhdwy])")
DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
    |(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |(?P<range>\[[^\]]*\])
    |(?P<duration>(?:\d+(?:ms|[smhdwy]))+(?![0-9a-zA-Z_]))
    |(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<comparison>==|!=|>=|<=|>|<)
    |(?P<other>=~|!~|.)""",
    re.VERBOSE | re.DOTALL,
)
SET_OPERATORS = ("and", "or", "unless")
ARITHMETIC = ("+", "-", "*", "/", "%", "^")


@dataclass(frozen=True)
class Token:
    kind: str
    text: str


class Scale(Protocol):
    """New lengths for old ones, all in milliseconds. A guard counts events in a window."""

    def window(self, milliseconds: int) -> int: ...

    def offset(self, milliseconds: int) -> int: ...

    def guard(self, count: Fraction, window: int) -> int | Fraction: ...


def milliseconds(text: str) -> int:
    """Of a duration such as 1h30m. Raises StackError."""
    if not DURATION.fullmatch(text):
        raise StackError(f"{text!r} is not a Prometheus duration; write for instance 90s, 5m or 1h30m.")
    return sum(int(number) * MILLISECONDS[unit] for number, unit in PART.findall(text))


def duration(length: int) -> str:
    """The other way: 90000 is 1m30s."""
    words = []
    for unit in ("d", "h", "m", "s", "ms"):
        number, length = divmod(length, MILLISECONDS[unit])
        words += [f"{number}{unit}"] if number else []
    return "".join(words) or "0s"


def changed(text: str, change: Callable[[int], int]) -> str:
    """A duration that stays as long as it was also stays as it was written: 24h does not become 1d."""
    before = milliseconds(text)
    after = change(before)
    return text if after == before else duration(after)


def rewritten(expression: str, scale: Scale, windows: Mapping[str, int]) -> str:
    """windows: the ranges of the recorded series. Raises StackError."""
    tokens = list(tokenized(expression))
    places = [place for place, token in enumerate(tokens) if token.kind != "blank"]
    if ages := [place for position, place in enumerate(places) if _is_age(tokens, places[: position + 1])]:
        _require_plain(expression, tokens, places, ages)
    elif _asks_the_clock([tokens[place] for place in places]):
        raise StackError(f"time() is not compared with a plain number, so its age cannot be divided:\n{expression}")
    new = [_new(tokens, places[: position + 1], scale, windows) for position, place in enumerate(places)]
    texts = dict(zip(places, new, strict=True))
    return "".join(texts.get(place, token.text) for place, token in enumerate(tokens))


def tokenized(expression: str) -> Iterator[Token]:
    for found in TOKEN.finditer(expression):
        yield Token(found.lastgroup or "", found[0])


def ranges(expression: str) -> list[int]:
    """The length of every range, a subquery's too."""
    return [milliseconds(_parts(token.text)[0]) for token in tokenized(expression) if token.kind == "range"]


def names(expression: str) -> set[str]:
    return {token.text for token in tokenized(expression) if token.kind == "word"}


def _parts(text: str) -> list[str]:
    """Of [5m] or [1h:5m]. A step that is left out is the evaluation interval, which is divided elsewhere."""
    parts = [part.strip() for part in text[1:-1].split(":")]
    if len(parts) > 2 or not DURATION.fullmatch(parts[0]):
        raise StackError(f"{text} is not a range such as [5m] or [1h:5m], so it cannot be divided.")
    return parts


def _new(tokens: Sequence[Token], past: Sequence[int], scale: Scale, windows: Mapping[str, int]) -> str:
    """The text of the last token of `past`, which are the places of what is not blank."""
    token, before = tokens[past[-1]], [tokens[place] for place in past[:-1]]
    if token.kind == "range":
        whole, *step = _parts(token.text)
        return f"[{':'.join([changed(whole, scale.window), *(each and changed(each, scale.window) for each in step)])}]"
    if token.kind == "duration":
        return _new_offset(token, before, scale)
    if token.kind == "number":
        return _new_number(token, before, scale, windows)
    return token.text


def _new_offset(token: Token, before: Sequence[Token], scale: Scale) -> str:
    words = [each.text for each in before[-2:]]
    if words[-1:] == ["offset"] or words == ["offset", "-"]:
        return changed(token.text, scale.offset)
    raise StackError(f"The duration {token.text} is neither a range nor an offset, so it cannot be divided.")


def _new_number(token: Token, before: Sequence[Token], scale: Scale, windows: Mapping[str, int]) -> str:
    operator, left = _comparison(before)
    if operator and _asks_the_clock(left):
        return _seconds(token.text, scale)
    if operator == ">=":
        count = Fraction(token.text)
        after = scale.guard(count, _window_of(left, windows))
        return token.text if after == count else str(after)
    return token.text


def _seconds(text: str, scale: Scale) -> str:
    before = int(Fraction(text) * 1000)
    after = scale.window(before)
    return text if after == before else f"{after / 1000:g}"


def _comparison(before: Sequence[Token]) -> tuple[str, Sequence[Token]]:
    """The operator before a number, and what is left of it; no operator when none is there."""
    rest = before[:-1] if before and before[-1].text == "bool" else before
    if not rest or rest[-1].kind != "comparison":
        return "", []
    return rest[-1].text, _operand(rest[:-1])


def _operand(before: Sequence[Token]) -> Sequence[Token]:
    """Back to a set operator of the same depth, or to the bracket that is open."""
    depth = 0
    for place in range(len(before) - 1, -1, -1):
        text = before[place].text
        depth += {")": 1, "(": -1}.get(text, 0)
        if depth < 0 or (depth == 0 and text in SET_OPERATORS):
            return before[place + 1 :]
    return before


def _asks_the_clock(tokens: Sequence[Token]) -> bool:
    return any(one.text == "time" and two.text == "(" for one, two in itertools.pairwise(tokens))


def _is_age(tokens: Sequence[Token], past: Sequence[int]) -> bool:
    token, before = tokens[past[-1]], [tokens[place] for place in past[:-1]]
    operator, left = _comparison(before)
    return token.kind == "number" and bool(operator) and _asks_the_clock(left)


def _require_plain(expression: str, tokens: Sequence[Token], places: Sequence[int], ages: Sequence[int]) -> None:
    for age in ages:
        after = [tokens[place].text for place in places if place > age][:1]
        if after and after[0] in ARITHMETIC:
            raise StackError(f"An age is compared with a calculation; write the seconds as one number:\n{expression}")


def _window_of(left: Sequence[Token], windows: Mapping[str, int]) -> int:
    text = " ".join(token.text for token in left)
    found = ranges(text) or [windows[name] for name in names(text) if name in windows]
    if not found:
        raise StackError(f"A guard (>=) counts events in a window, and none is found in: {text}")
    return max(found)
