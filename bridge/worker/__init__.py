"""The worker: claims due deliveries, gathers, renders, sends, settles."""

from bridge.worker.loop import Worker
from bridge.worker.setup import ContextGatherer, ModelProbe, PictureMaker, Setup

__all__ = ["ContextGatherer", "ModelProbe", "PictureMaker", "Setup", "Worker"]
