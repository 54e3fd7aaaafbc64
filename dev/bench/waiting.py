"""What PostgreSQL's sessions wait for, looked at ten times a second; and what was committed meanwhile."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa

EVERY_SECONDS = 0.1
#: The sessions of this database that do something; those that wait for their client are idle.
_ACTIVE = sa.text(
    "SELECT coalesce(wait_event_type, 'CPU') AS kind, coalesce(wait_event, '') AS event, query FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'"
)
_COMMITS = sa.text("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
_STATEMENT = re.compile(r"^\s*(INSERT INTO|DELETE FROM|\w+)\b(.*)", re.IGNORECASE | re.DOTALL)
_FIRST = re.compile(r"\s*(\w+)")
_FROM = re.compile(r"\bFROM\s+(\w+)", re.IGNORECASE)
_LOCKS = re.compile(r"\bFOR (NO KEY )?UPDATE", re.IGNORECASE)


@dataclass
class Waits:
    """samples: how often a session was seen to wait so in this statement. seen: how often it was looked."""

    samples: Counter[str] = field(default_factory=Counter)
    seen: int = 0
    commits: int = 0

    def shares(self, most: int = 8) -> dict[str, float]:
        """Sessions that wait so at a time, on average; the most frequent ones."""
        return {name: count / max(1, self.seen) for name, count in self.samples.most_common(most)}


def statement(query: str) -> str:
    """What it does to which table, for it to be counted: `SELECT delivery FOR UPDATE`."""
    found = _STATEMENT.match(query)
    if not found:
        return "?"
    verb, rest = found[1].upper(), found[2]
    table = _FROM.search(rest) if verb == "SELECT" else _FIRST.match(rest)
    locks = " FOR UPDATE" if verb == "SELECT" and _LOCKS.search(rest) else ""
    return f"{verb} {table[1] if table else ''}".strip() + locks


@contextlib.contextmanager
def watched(url: str) -> Iterator[Waits]:
    """Until the end of the block."""
    waits, over = Waits(), threading.Event()
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        before = connection.scalar(_COMMITS) or 0
        thread = threading.Thread(target=_watch, args=(connection, waits, over), daemon=True)
        thread.start()
        try:
            yield waits
        finally:
            over.set()
            thread.join()
            own = waits.seen  # each look is a transaction of its own
            waits.commits = (connection.scalar(_COMMITS) or 0) - before - own
    engine.dispose()


def _watch(connection: sa.Connection, waits: Waits, over: threading.Event) -> None:
    while not over.wait(EVERY_SECONDS):
        waits.seen += 1
        for kind, event, query in connection.execute(_ACTIVE):
            waits.samples[f"{kind}{':' + event if event else ''} in {statement(query)}"] += 1
