"""The reviewed survivors: each with the reason why no test can, or need, catch it."""

from __future__ import annotations

from pathlib import Path

import yaml

FILE = Path(__file__).parent / "survivors.yml"


def read_survivors(file: Path = FILE) -> dict[str, str]:
    """Pattern of mutants' names (`*` stands for anything) -> reason. ValueError for an entry without one."""
    entries: dict[str, dict[str, str]] = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    known = {f"{rule}: {what}": reason for rule, whats in entries.items() for what, reason in whats.items()}
    empty = [name for name, reason in known.items() if not str(reason or "").strip()]
    if empty:
        raise ValueError(f"{file}: no reason is given for {', '.join(empty)}")
    return known
