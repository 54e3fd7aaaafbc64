"""The process metrics of prometheus_client's own collector, with the label `process`.

The collector itself cannot be used with shared metrics: it covers only the scraped process.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.process_collector import ProcessCollector

_CPU = "process_cpu_seconds"
_GAUGES = {
    "process_virtual_memory_bytes": "Virtual memory size in bytes.",
    "process_resident_memory_bytes": "Resident memory size in bytes.",
    "process_start_time_seconds": "Start time of the process since unix epoch in seconds.",
    "process_open_fds": "Number of open file descriptors.",
    "process_max_fds": "Maximum number of open file descriptors.",
}


class ProcessMetrics:
    """Values as of the last refresh()."""

    def __init__(self, registry: CollectorRegistry, process: str) -> None:
        self._collector = ProcessCollector(registry=None)
        self._gauges = {
            name: Gauge(name, text, ["process"], registry=registry, multiprocess_mode="livemostrecent").labels(process)
            for name, text in _GAUGES.items()
        }
        self._cpu = Counter(_CPU, "Total user and system CPU time spent in seconds.", ["process"], registry=registry)
        self._mine = self._cpu.labels(process)
        self._seen = 0.0

    def refresh(self) -> None:
        for family in self._collector.collect():
            value = family.samples[0].value
            if family.name in self._gauges:
                self._gauges[family.name].set(value)
            elif family.name == _CPU:
                self._mine.inc(max(0.0, value - self._seen))
                self._seen = value
