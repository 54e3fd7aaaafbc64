"""Charts as PNG: the only place that knows matplotlib, which runs in a process of its own and never here.

Invariant: a picture is worth a message's while only when it costs the message nothing. Nothing here raises or waits
long.
"""

from bridge.charts.chart_maker import DrawingLimits, PictureMaker, Ranges
from bridge.charts.drawing_process import Studio
from bridge.charts.worker_charts import Illustrating

__all__ = ["DrawingLimits", "Illustrating", "PictureMaker", "Ranges", "Studio"]
