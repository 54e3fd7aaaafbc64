"""The page on reliability names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def named() -> list[str]:
    """A file without its folder lies beside the one that is named before it, or in a folder of the same row."""
    rows = [line.rsplit("|", 2)[1] for line in PAGE.splitlines() if line.startswith("| ") and "`tests/" in line]
    return [_placed(name, row) for row in rows for name in re.findall(r"`([\w/.]+)`", row)]


def _placed(name: str, row: str) -> str:
    if "/" in name:
        return name
    folders = [found.rpartition("/")[0] for found in re.findall(r"`(tests/[\w/]+\.py)`", row)]
    return next((f"{folder}/{name}" for folder in folders if (ROOT / folder / name).exists()), name)


def test_every_test_that_the_page_names_is_there() -> None:
    assert len(named()) > 20
    assert [name for name in named() if not (ROOT / name).exists()] == []
