"""The runbooks that come with the bridge: one page for each of its alerts, by the alert's name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent.with_name("runbooks")  #: in a checkout, docs/runbooks


@cache
def names() -> frozenset[str]:
    """The names of all runbooks."""
    return frozenset(page.stem for page in FOLDER.glob("*.md"))


def markdown_of(name: str) -> str | None:
    """The page's Markdown; None when there is none of that name."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8") if name in names() else None
