"""Runbooks as HTML.

Invariant: HTML in them is shown as text, and links lead to other runbooks or to http(s) URLs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bridge.rendering.links import safe_href
from bridge.rendering.runbooks import markdown_of, names

ENDING = ".md"


@dataclass(frozen=True, slots=True)
class Step:
    text: str  #: its first paragraph, in plain text
    command: str  #: empty without one


@dataclass(frozen=True, slots=True)
class Runbook:
    name: str
    summary: str  #: its first paragraph, in plain text
    html: str  #: all of it, with its heading
    steps: tuple[Step, ...]  #: the items of its first numbered list


def all_runbooks() -> tuple[Runbook, ...]:
    """By name."""
    return tuple(found for name in sorted(names()) if (found := runbook(name)))


@cache
def runbook(name: str) -> Runbook | None:
    """None when there is none of that name."""
    text = markdown_of(name)
    if text is None:
        return None
    # CommonMark, with HTML as text
    parser = MarkdownIt("commonmark", {"html": False})
    tokens = parser.parse(text)
    for token in tokens:
        _rewrite_links(token.children or [])
    html = parser.renderer.render(tokens, parser.options, {})
    steps = tuple(Step(_first_paragraph(item), _first_command(item)) for item in _items(tokens))
    return Runbook(name, _first_paragraph(tokens), html, steps)


def _rewrite_links(tokens: Sequence[Token]) -> None:
    """Links between files of the repository become links between runbooks, or plain text if they lead elsewhere."""
    href = ""  # links are not nested
    for token in tokens:
        if token.type == "image":
            token.type, token.children = "text", None  # its alternative text
        elif token.type == "link_open":
            href = _target(str(token.attrGet("href") or ""))
            token.attrSet("href", href)
            token.attrSet("rel", "noreferrer noopener")
        if token.type in ("link_open", "link_close"):
            token.hidden = not href


def _target(href: str) -> str:
    page, mark, place = href.partition("#")
    if page.endswith(ENDING) and page.removesuffix(ENDING) in names():
        return f"{page.removesuffix(ENDING)}{mark}{place}"
    return safe_href(href) or ""


def _items(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Of the first numbered list, which has no lists in it."""
    kinds = [token.type for token in tokens]
    if "ordered_list_open" not in kinds:
        return
    at, end = kinds.index("ordered_list_open"), kinds.index("ordered_list_close")
    while "list_item_open" in kinds[at:end]:
        begin = kinds.index("list_item_open", at, end)
        at = kinds.index("list_item_close", begin)
        yield tokens[begin:at]


def _first_command(tokens: Sequence[Token]) -> str:
    return next((token.content.strip() for token in tokens if token.type == "fence"), "")


def _first_paragraph(tokens: Sequence[Token]) -> str:
    opening = next((index for index, token in enumerate(tokens) if token.type == "paragraph_open"), None)
    inline = tokens[opening + 1].children if opening is not None else None
    return " ".join("".join(_words(token) for token in inline or []).split())


def _words(token: Token) -> str:
    return " " if token.type in ("softbreak", "hardbreak") else token.content
