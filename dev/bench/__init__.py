"""Measures the bridge beside Alertmanager's own receivers: `python -m dev.bench`; see docs/performance.md."""
