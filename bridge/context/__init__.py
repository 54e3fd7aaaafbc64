"""Where facts come from: the only client of Prometheus, and of whatever speaks its API."""

from bridge.context.gathering import Gatherer, Observe, QueryLimits
from bridge.context.prometheus import Prometheus, Server

__all__ = ["Gatherer", "Observe", "Prometheus", "QueryLimits", "Server"]
