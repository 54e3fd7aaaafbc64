"""The previous run: a new one is refused while it runs, and cleans up after it if it was killed.

A run locks .run/lock, which the kernel releases when it dies. The pid file names its children; pids are reused, so a
process is ended only if its start time and its mark match as well (proc.py).
"""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from dev.stack import proc
from dev.stack.errors import StackError
from dev.stack.places import Places
from dev.stack.processes import send

GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Child:
    name: str
    pid: int
    started: int


def hold_lock(places: Places) -> IO[str]:
    """Keep the returned file open: closing it releases the lock."""
    stream = places.lock.open("a+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.seek(0)
        pid = stream.read().strip() or "unknown"
        stream.close()
        raise StackError(
            f"An earlier `make up` is still running here (pid {pid}). Its addresses: {places.screen}.\n"
            f"  To end it, press Ctrl-C in its terminal, or:  kill {pid}"
        ) from None
    stream.truncate(0)
    stream.write(f"{os.getpid()}\n")
    stream.flush()
    return stream


def record(places: Places, pids: Iterable[tuple[str, int]]) -> None:
    """Written to a temporary file and renamed, so that readers never see half of it."""
    children = [Child(name, pid, seen.started) for name, pid in pids if (seen := proc.look(pid))]
    temporary = places.pids.with_suffix(".new")
    temporary.write_text(json.dumps([asdict(child) for child in children], indent=1), encoding="utf-8")
    temporary.replace(places.pids)


def recorded(places: Places) -> list[Child]:
    try:
        return [Child(**entry) for entry in json.loads(places.pids.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError):
        return []  # not written by this version, so it identifies no process


def left_over(places: Places) -> list[tuple[Child, list[int]]]:
    """The recorded children with running processes, and their pids. Call it only with the lock."""
    found = ((child, _living(child, places.run)) for child in recorded(places))
    return [(child, pids) for child, pids in found if pids]


def _living(child: Child, run: Path) -> list[int]:
    leader = proc.look(child.pid)
    if leader and leader.started != child.started:
        return []  # the pid was reused, and a session is named by its leader
    return [seen.pid for seen in proc.session_members(child.pid, run, since=child.started)]


def end_left_overs(places: Places, grace: float = GRACE_SECONDS) -> list[str]:
    """Terminates them, kills those that remain, and returns their names."""
    names = [child.name for child, _ in left_over(places)]
    for child, pids in left_over(places):
        send(child.pid if child.pid in pids else pids[0], signal.SIGTERM)
    deadline = time.monotonic() + grace
    while left_over(places) and time.monotonic() < deadline:
        for child, pids in left_over(places):
            if child.pid not in pids:  # without their leader, each must be asked
                for pid in pids:
                    send(pid, signal.SIGTERM)
        time.sleep(0.2)
    for _, pids in left_over(places):
        for pid in pids:
            send(pid, signal.SIGKILL)
    places.pids.unlink(missing_ok=True)
    return names
