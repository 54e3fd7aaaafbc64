"""The worker: claims due deliveries, gathers, renders, sends, settles."""

from bridge.worker.enriching import Gathers
from bridge.worker.illustrating import Makes
from bridge.worker.loop import Setup, Worker

__all__ = ["Gathers", "Makes", "Setup", "Worker"]
