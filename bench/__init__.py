"""Measures the bridge beside Alertmanager's own receivers: `python -m bench`; see docs/performance.md."""
