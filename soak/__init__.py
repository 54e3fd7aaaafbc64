"""Runs the bridge among faults and counts what was lost: `python -m soak`; see docs/reliability.md."""
