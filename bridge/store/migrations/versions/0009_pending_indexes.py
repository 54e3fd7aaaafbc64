"""SQLite uses a partial index only for a query that repeats its condition to the letter: `pending = 1`, not `pending`.

Revision ID: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

INDEXES = {
    "delivery_pending": ("delivery", ["channel", "rank", "wanted_at"]),
    "change_delivery_pending": ("change_delivery", ["channel", "due_at"]),
}


def upgrade() -> None:
    _again("pending = 1")


def downgrade() -> None:
    _again("pending")


def _again(condition: str) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for name, (table, columns) in INDEXES.items():
        op.drop_index(name, table)
        op.create_index(name, table, columns, unique=False, sqlite_where=sa.text(condition))
