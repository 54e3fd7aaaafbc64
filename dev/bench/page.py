"""What the benchmark writes into docs/performance.md, between its markers."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def begin(name: str) -> str:
    return f"<!-- {name}:begin -->"


def end(name: str) -> str:
    return f"<!-- {name}:end -->"


def replaced(text: str, name: str, content: str) -> str:
    """Raises ValueError where the markers are not there, once each and in this order."""
    before, first, rest = text.partition(begin(name))
    _, last, after = rest.partition(end(name))
    if not first or not last or begin(name) in rest or end(name) in after:
        raise ValueError(f"{PAGE.name} needs the markers {begin(name)} and {end(name)}, once each, in this order")
    return f"{before}{begin(name)}\n{content.strip()}\n{end(name)}{after}"


def write(name: str, content: str, page: Path = PAGE) -> None:
    """Raises ValueError; see replaced()."""
    page.write_text(replaced(page.read_text(encoding="utf-8"), name, content), encoding="utf-8")
