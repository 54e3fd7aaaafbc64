"""Reads /proc: who a process is, when it began, and who listens on a port. Changes nothing.

A pid alone is no proof, for Linux uses it again. A process is ours when its start time is the recorded one and its
environment carries the mark of our .run folder, which it inherited from the run that started it.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = "INCIDENT_BRIDGE_RUN"
LISTENING = "0A"


@dataclass(frozen=True)
class Seen:
    """A living process: `session` is shared with its children, `started` is in clock ticks since boot."""

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
    """The living processes of a session that one of our runs opened, children of dead children included."""
    members = (seen for seen in everyone() if seen.session == session and seen.started >= since)
    return [seen for seen in members if is_marked(seen.pid, run)]


def command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return " ".join(word.decode(errors="replace") for word in words).strip()


def name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"


def listener(port: int) -> int | None:
    """The pid that listens on a TCP port; None when nobody does, or when we may not see who."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    return next((seen.pid for seen in everyone() if sockets & _open_files(seen.pid)), None)


def _listening_inodes(port: int) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _open_files(pid: int) -> set[str]:
    found = set()
    try:
        for entry in list(os.scandir(f"/proc/{pid}/fd")):  # closed even when a link vanishes on the way
            found.add(os.readlink(entry.path))
    except OSError:
        pass  # another user's process, or gone meanwhile
    return found
