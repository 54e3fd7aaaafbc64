"""Figures that are kept in the repository, as JSON in dev/bench/figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("figures")


def keep(name: str, content: dict[str, Any], folder: Path = FOLDER) -> None:
    write(folder / f"{name}.json", content)


def write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(rounded(content), indent=1) + "\n", encoding="utf-8")


def kept(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Raises FileNotFoundError."""
    content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return content


def rounded(content: Any) -> Any:
    """To four digits after the point: no clock here is better."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [rounded(each) for each in content]
    return round(content, 4) if isinstance(content, float) else content
