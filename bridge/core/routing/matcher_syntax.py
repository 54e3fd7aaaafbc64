"""Parses Alertmanager's two matcher grammars into terms; matchers.py gives them their meaning.

The classic one (pkg/labels/parse.go) is lenient: braces are optional, values run to the next comma, and only
\\n \\" \\\\ are escapes. The UTF-8 one (matcher/parse, since 0.27) takes any name in double quotes, with Go's escapes.
https://prometheus.io/docs/alerting/latest/configuration/#matcher
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CLASSIC = re.compile(r"[\t\n\f\r ]*([a-zA-Z_:][a-zA-Z0-9_:]*)[\t\n\f\r ]*(=~|=|!=|!~)")
_CLASSIC_SPACE = "\t\n\f\r "
_CLASSIC_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}
#: as Go's unicode.IsSpace
_SPACE = "\t\n\v\f\r \u0085\u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_TOKEN = re.compile(
    rf"""(?s)[{_SPACE}]*"""
    r"""(?:(?P<sign>[{},])|(?P<op>=~|=|!=|!~)|(?P<quoted>"(?:[^"\\]|\\.)*")"""
    rf"""|(?P<bare>[^{_SPACE}{{}}!=~,\\"'`]+))"""
)
_GO_ESCAPE = re.compile(
    r"""(?s)\\(?:(?P<one>[abfnrtv\\"])|x(?P<byte>[0-9a-fA-F]{2})|(?P<octal>[0-3][0-7]{2})"""
    r"""|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))|(?P<plain>[^\\\n])"""
)
_GO_ONE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}


class SyntaxFault(ValueError):
    """What was seen, at which character (from 0), and a correct example."""

    def __init__(self, what: str, position: int, example: str = 'severity="critical"', *, vague: bool = False) -> None:
        self.what, self.position, self.example = what, position, example
        self.vague = vague  #: it says only that the grammar does not fit
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Term:
    """One matcher as it is written; `value_at` is where its value begins in the text."""

    name: str
    op: str
    value: str
    start: int
    value_at: int
    quoted: bool


def classic_terms(text: str) -> list[Term]:
    """Raises SyntaxFault. A { at the start and a } at the end are ignored, even if only one is there."""
    start = 1 if text.startswith("{") else 0
    end = len(text) - 1 if text.endswith("}") and len(text) > start else len(text)
    *pieces, (start, end) = _between_commas(text, start, end)
    last = text[start:end].rstrip(_SPACE)
    start, end = end - len(text[start:end].lstrip(_SPACE)), start + len(last)
    if last:
        pieces.append((start, end))
    return [classic_term(text, *piece) for piece in pieces]


def classic_term(text: str, start: int, end: int) -> Term:
    """One matcher, whose value goes to the end, commas included. Raises SyntaxFault."""
    found = _CLASSIC.match(text, start, end)
    if found is None:
        raise SyntaxFault("a label name with an operator was expected", start, vague=True)
    raw = text[found.end() : end].lstrip(_CLASSIC_SPACE)
    at = end - len(raw)
    quoted = raw.startswith('"')
    return Term(found[1], found[2], _classic_value(raw.rstrip(_CLASSIC_SPACE), at), start, at, quoted)


def utf8_terms(text: str) -> list[Term]:
    """Raises SyntaxFault."""
    tokens = _Tokens(text)
    closes = tokens.take("{")
    terms: list[Term] = []
    while tokens.kind not in ("}", "end"):
        terms.append(_utf8_term(tokens))
        if not tokens.take(",") and tokens.kind not in ("}", "end"):
            raise SyntaxFault("a comma was expected between two matchers", tokens.start, 'a="b",c="d"')
    if closes and not tokens.take("}"):
        raise SyntaxFault("the { is never closed by a }", text.index("{"), '{severity="critical"}')
    if tokens.kind != "end":
        raise SyntaxFault("a } without its {" if tokens.kind == "}" else "the } should be the last", tokens.start)
    return terms


def _between_commas(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The bounds of the pieces between commas that are not inside unescaped quotes."""
    quoted = escaped = False
    for here in range(start, end):
        character = text[here]
        if character == ",":
            if not quoted:
                yield start, here
                start = here + 1
        elif character == '"' and not escaped:
            quoted = not quoted
        elif character == "\\":
            escaped = not escaped
        else:
            escaped = False
    yield start, end


def _classic_value(raw: str, at: int) -> str:
    inner, offset = (raw[1:], 1) if raw.startswith('"') else (raw, 0)
    value, here = "", 0
    while here < len(inner):
        character, following = inner[here], inner[here + 1 : here + 2]
        if character == "\\" and following:  # an unknown escape is kept as it is, so "\d+" needs no doubling
            value += _CLASSIC_ESCAPES.get(following, character + following)
            here += 2
            continue
        if character == '"':
            if offset and here == len(inner) - 1:
                return value
            where = "quotes" if offset else "a value without quotes"
            raise SyntaxFault(f"a quote inside {where}", at + offset + here, 'a="say \\"hi\\""')
        value, here = value + character, here + 1
    if offset:
        raise SyntaxFault("the quote that opens here is never closed", at)
    return value


class _Tokens:
    """The current token, and how to advance. Kinds: { } , op quoted bare end."""

    def __init__(self, text: str) -> None:
        self.text, self.position = text, 0
        self.advance()

    def advance(self) -> None:
        found = _TOKEN.match(self.text, self.position)
        if found is None:
            rest = self.text[self.position :].lstrip(_SPACE)
            self.start = len(self.text) - len(rest)
            self.kind, self.value = ("bad" if rest else "end"), rest[:1]
            return
        group = found.lastgroup or ""
        self.value, self.start, self.position = found[group], found.start(group), found.end()
        self.kind = self.value if group == "sign" else group

    def take(self, kind: str) -> bool:
        taken = self.kind == kind
        if taken:
            self.advance()
        return taken

    def seen(self) -> str:
        return "but the text ends" if self.kind == "end" else f"but {self.value!r} was seen"


def _utf8_term(tokens: _Tokens) -> Term:
    start = tokens.start
    name, _ = _text(tokens, "a label name")
    op = tokens.value
    if not tokens.take("op"):
        raise SyntaxFault("one of = != =~ !~ was expected after the label name", tokens.start)
    value_at = tokens.start
    value, quoted = _text(tokens, "a value")
    return Term(name, op, value, start, value_at, quoted)


def _text(tokens: _Tokens, what: str) -> tuple[str, bool]:
    value, start = tokens.value, tokens.start
    if tokens.kind == "bad" and value == '"':
        raise SyntaxFault("the quote that opens here is never closed", start)
    if tokens.take("bare"):
        return value, False
    if tokens.take("quoted"):
        return _go_unquoted(value, start), True
    raise SyntaxFault(f"{what} was expected, {tokens.seen()}", start)


def _go_unquoted(token: str, start: int) -> str:
    """As Go's strconv.Unquote; the result must be valid UTF-8."""
    content, position = bytearray(), 1
    while position < len(token) - 1:
        found = _GO_ESCAPE.match(token, position, len(token) - 1)
        code = int((found["short"] or found["long"] or "0"), 16) if found else 0x110000
        if found is None or code > 0x10FFFF or 0xD800 <= code < 0xE000:
            what = "a line break in quotes" if token[position] == "\n" else "an escape that does not exist"
            raise SyntaxFault(what, start + position, r'a="two\nlines"')
        content += _bytes_of(found, code)
        position = found.end()
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SyntaxFault("the escapes in these quotes are not valid UTF-8", start) from None


def _bytes_of(found: re.Match[str], code: int) -> bytes:
    if found["byte"] or found["octal"]:
        return bytes([int(found["byte"], 16) if found["byte"] else int(found["octal"], 8)])
    one = found["one"]
    return (_GO_ONE[one] if one else found["plain"] or chr(code)).encode("utf-8", "surrogatepass")
