"""Runs the bridge among faults and counts what was lost: `python -m dev.soak`; see docs/reliability.md."""
