"""The worker: claims due deliveries, gathers, renders, sends, settles."""

from bridge.worker.charts import Makes
from bridge.worker.context import Gathers
from bridge.worker.loop import Setup, Worker

__all__ = ["Gathers", "Makes", "Setup", "Worker"]
