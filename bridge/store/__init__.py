"""The store: the only SQL, the only shared state."""

from sqlalchemy import Engine

from bridge.store.actions import StoreActions
from bridge.store.applying import Policy
from bridge.store.backups import back_up, mark_restored
from bridge.store.change_deliveries import StoreChangeDeliveries
from bridge.store.changes import StoreChanges
from bridge.store.charts import KeptPicture, StoreCharts
from bridge.store.contexts import StoreContexts
from bridge.store.database import open_database
from bridge.store.dead_letters import StoreDeadLetters
from bridge.store.deliveries import StoreDeliveries
from bridge.store.escalations import StoreEscalations
from bridge.store.existing import open_restored, open_to_change, open_to_read
from bridge.store.heartbeats import StoreHeartbeats
from bridge.store.intake import StoreIntake
from bridge.store.pings import StorePings
from bridge.store.probes import StoreProbes
from bridge.store.reading import StoreReader
from bridge.store.reconciliation import StoreReconciliation
from bridge.store.recurrences import StoreRecurrences
from bridge.store.storms import StoreStorms
from bridge.store.waking import Listener, Waker

__all__ = [
    "Engine",
    "KeptPicture",
    "Listener",
    "Policy",
    "StoreActions",
    "StoreChangeDeliveries",
    "StoreChanges",
    "StoreCharts",
    "StoreContexts",
    "StoreDeadLetters",
    "StoreDeliveries",
    "StoreEscalations",
    "StoreHeartbeats",
    "StoreIntake",
    "StorePings",
    "StoreProbes",
    "StoreReader",
    "StoreReconciliation",
    "StoreRecurrences",
    "StoreStorms",
    "Waker",
    "back_up",
    "mark_restored",
    "open_database",
    "open_restored",
    "open_to_change",
    "open_to_read",
]
