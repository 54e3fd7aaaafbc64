"""Where facts come from: the only client of Prometheus, and of whatever speaks its API."""

from bridge.context.gathering import Gatherer, Limits, Observe
from bridge.context.prometheus import Prometheus, Server

__all__ = ["Gatherer", "Limits", "Observe", "Prometheus", "Server"]
