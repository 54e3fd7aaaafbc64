"""Charts as PNG: the only package that knows matplotlib, which runs in a process of its own and never here.

Invariant: a picture costs its message nothing. Nothing here raises or waits long.
"""

from bridge.charts.chart_maker import ChartMaker, DrawingLimits, MetricSource
from bridge.charts.drawing_process import DrawingProcess

__all__ = ["ChartMaker", "DrawingLimits", "DrawingProcess", "MetricSource"]
