"""Reads /proc: identity and start time of processes. Read-only.

A pid alone is no proof, for Linux uses it again. A process is ours when its start time is the recorded one and its
environment carries the mark of our .run folder, which it inherited from the run that started it.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = "INCIDENT_BRIDGE_RUN"


@dataclass(frozen=True)
class Seen:
    """A running process: `session` is shared with its children, `started` is in clock ticks since boot."""

    pid: int
    session: int
    started: int


def look(pid: int) -> Seen | None:
    """The process, or None when it has ended (a zombie has, too)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name before it may contain spaces and brackets
    return None if state in "ZX" else Seen(pid, session=int(fields[2]), started=int(fields[18]))


def everyone() -> Iterator[Seen]:
    for name in os.listdir("/proc"):
        if name.isdigit() and (seen := look(int(name))):
            yield seen


def is_marked(pid: int, run: Path) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={run}".encode() in environment.split(b"\0")


def session_members(session: int, run: Path, since: int = 0) -> list[Seen]:
    """The running processes of a session that a run opened, including children of dead children."""
    members = (seen for seen in everyone() if seen.session == session and seen.started >= since)
    return [seen for seen in members if is_marked(seen.pid, run)]
