"""Charts as PNG: the only place that knows matplotlib, which runs in a process of its own and never here.

Invariant: a picture is worth a message's while only when it costs the message nothing. Nothing here raises or waits
long.
"""

from bridge.pictures.illustrating import Illustrating
from bridge.pictures.making import DrawingLimits, PictureMaker, Ranges
from bridge.pictures.studio import Studio

__all__ = ["DrawingLimits", "Illustrating", "PictureMaker", "Ranges", "Studio"]
