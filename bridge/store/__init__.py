"""The store: the only SQL, the only shared state."""

from bridge.store.applying import Policy
from bridge.store.changes import StoreChanges
from bridge.store.database import open_database
from bridge.store.deliveries import StoreDeliveries
from bridge.store.intake import StoreIntake
from bridge.store.people import StorePeople
from bridge.store.pictures import KeptPicture, StorePictures
from bridge.store.reading import StoreReader
from bridge.store.waking import Listener, Waker

__all__ = [
    "KeptPicture",
    "Listener",
    "Policy",
    "StoreChanges",
    "StoreDeliveries",
    "StoreIntake",
    "StorePeople",
    "StorePictures",
    "StoreReader",
    "Waker",
    "open_database",
]
