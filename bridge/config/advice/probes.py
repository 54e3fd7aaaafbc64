"""Golden texts that nothing can be asked with: the bridge starts without them, and says in an incident that it must."""

from __future__ import annotations

from pathlib import Path

from bridge.config.advice.notes import Notes
from bridge.config.checks import mapping, sequence
from bridge.core.context.golden_set import GoldenFault, golden_set


def look(notes: Notes, folder: Path) -> None:
    """folder: where relative paths start."""
    for index, probe in enumerate(sequence(mapping(notes.data.get("context")).get("probes"))):
        golden = mapping(probe).get("golden")
        if isinstance(golden, str) and (why := _unusable(folder / golden)):
            hint = "write a CSV file with the columns label and text; docs/probing.md says what is of use"
            notes.warn(("context", "probes", index, "golden"), f"nothing can be asked: {why}", hint)


def _unusable(file: Path) -> str:
    try:
        golden_set(file.read_bytes())
    except OSError as fault:
        return (fault.strerror or type(fault).__name__).lower()
    except GoldenFault as fault:
        return str(fault)
    return ""
