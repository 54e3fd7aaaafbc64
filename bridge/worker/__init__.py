"""The worker: claims due deliveries, gathers, renders, sends, settles."""

from bridge.worker.loop import Worker

__all__ = ["Worker"]
