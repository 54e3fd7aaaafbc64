"""Pictures where web and worker both see them, and the key of their links.

The key is a row: what can read it can read the pictures anyway, and every process on the database agrees.
Deleting the row and starting the bridge again ends every link that was given out.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from bridge.core.charts.chart import Picture
from bridge.core.charts.signed_links import picture_path
from bridge.store.database import reading, transaction
from bridge.store.rows import picture_from
from bridge.store.tables import UtcDateTime, incident, metadata
from bridge.store.upserts import insert_into

KEY_BYTES = 32
KEPT = timedelta(days=7)  #: how long a picture is kept and its link holds
MOST = 12  #: different ones of one incident, the newest
DRAWN_AGAIN = 3  #: of what is drawn again while an incident lasts, the newest; and the first, to which messages link
LARGEST = 512 * 1024  #: bytes of one
_PURPOSE = "pictures"

picture = sa.Table(
    "picture",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("incident_number", sa.ForeignKey("incident.number", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("alt", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("png", sa.LargeBinary, nullable=False),
    sa.Index("picture_by_incident", "incident_number", "created_at"),
    sa.Index("picture_by_time", "created_at"),
)

signing_key = sa.Table(
    "signing_key",
    metadata,
    sa.Column("purpose", sa.String(32), primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """One picture as it is stored; `path` is its signed link without the scheme and host."""

    name: str
    incident_number: int
    picture: Picture
    path: str


class StoreCharts:
    """Any number of threads and processes may use it. Raises StoreUnavailable."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], datetime]) -> None:
        self._engine, self._clock = engine, clock
        self._key = b""

    def keep(self, incident_number: int, drawn: Picture) -> KeptPicture | None:
        """Store it; None when the incident is gone meanwhile or the picture is larger than any should be."""
        if len(drawn.png) > LARGEST:
            return None
        name = secrets.token_urlsafe(24)
        row = {
            "name": name,
            "incident_number": incident_number,
            "kind": drawn.kind,
            "title": drawn.title,
            "alt": drawn.alt,
            "created_at": drawn.at,
            "png": drawn.png,
        }
        there = sa.select(incident.c.number).where(incident.c.number == incident_number)
        with transaction(self._engine) as connection:
            if connection.scalar(there) is None:
                return None
            connection.execute(sa.insert(picture).values(row))
            _forget_oldest(connection, incident_number)
            forget_pictures(connection, self._clock() - KEPT)
        return KeptPicture(name, incident_number, drawn, self._path(name, drawn.at))

    def of_incident(self, incident_number: int) -> list[KeptPicture]:
        """The newest first."""
        query = sa.select(picture).where(picture.c.incident_number == incident_number)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(picture.c.created_at.desc(), picture.c.name)).mappings().all()
        return [
            KeptPicture(row["name"], incident_number, picture_from(row), self._path(row["name"], row["created_at"]))
            for row in rows
        ]

    def png(self, name: str) -> bytes | None:
        with reading(self._engine) as connection:
            found: bytes | None = connection.scalar(sa.select(picture.c.png).where(picture.c.name == name))
        return found

    def key(self) -> bytes:
        """The same for every process on this database."""
        self._key = self._key or _key(self._engine)
        return self._key

    def _path(self, name: str, made_at: datetime) -> str:
        return picture_path(name, made_at + KEPT, self.key())


def forget_pictures(connection: sa.Connection, before: datetime) -> None:
    connection.execute(sa.delete(picture).where(picture.c.created_at < before))


def _forget_oldest(connection: sa.Connection, incident_number: int) -> None:
    columns = (picture.c.name, picture.c.kind, picture.c.title)
    mine = sa.select(*columns).where(picture.c.incident_number == incident_number)
    alike: dict[tuple[str, str], list[str]] = {}
    for name, *what in connection.execute(mine.order_by(picture.c.created_at.desc(), picture.c.name)):
        alike.setdefault((what[0], what[1]), []).append(name)
    old = [name for names in alike.values() for name in names[DRAWN_AGAIN:-1]]
    old += [name for names in list(alike.values())[MOST:] for name in names]
    connection.execute(sa.delete(picture).where(picture.c.name.in_(old)))


def _key(engine: sa.Engine) -> bytes:
    query = sa.select(signing_key.c.key).where(signing_key.c.purpose == _PURPOSE)
    with reading(engine) as connection:
        found: bytes | None = connection.scalar(query)
    if found is not None:
        return found
    row = {"purpose": _PURPOSE, "key": secrets.token_bytes(KEY_BYTES)}
    with transaction(engine) as connection:  # the first one wins, and all read what it wrote
        inserted = insert_into(signing_key, engine.dialect.name).values(row)
        connection.execute(inserted.on_conflict_do_nothing(index_elements=["purpose"]))
        return bytes(connection.execute(query).scalar_one())
