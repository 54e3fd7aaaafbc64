"""The results of requests that came with an Idempotency-Key, for a day.

Invariant: a key is claimed in the transaction of its action, so that of two requests at once the later waits for the
earlier one's result, and neither is done twice.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bridge.core.incidents.actions import ActionResult, RequestKey, Why
from bridge.core.model import Incident, State
from bridge.store.tables import request_key
from bridge.store.upserts import insert_into

KEPT = timedelta(hours=24)


def claim(connection: sa.Connection, key: RequestKey, now: datetime, found: Incident) -> ActionResult | None:
    """The kept result; None: the key is new, and belongs to this transaction."""
    mine = request_key.c.id == key.id
    connection.execute(sa.delete(request_key).where(mine, request_key.c.at < now - KEPT))
    inserted = insert_into(request_key, connection.dialect.name).values(id=key.id, request=key.request, at=now)
    if connection.scalar(inserted.on_conflict_do_nothing().returning(request_key.c.id)) is not None:
        return None
    row = connection.execute(sa.select(request_key).where(mine)).mappings().one()
    if row["request"] != key.request:
        text = "this Idempotency-Key was used for another request: use a new one for each action"
        return ActionResult(found.number, found.state, found.revision, text, Why.KEY_REUSED)
    return _result_from(row["answer"])


def keep(connection: sa.Connection, key: RequestKey, result: ActionResult) -> None:
    connection.execute(sa.update(request_key).where(request_key.c.id == key.id).values(answer=asdict(result)))


def forget_request_keys(connection: sa.Connection, now: datetime) -> None:
    """Those that are older than a day."""
    connection.execute(sa.delete(request_key).where(request_key.c.at < now - KEPT))


def _result_from(kept: dict[str, Any]) -> ActionResult:
    why = Why(kept["why"]) if kept["why"] is not None else None
    return ActionResult(kept["number"], State(kept["state"]), kept["revision"], kept["text"], why)
