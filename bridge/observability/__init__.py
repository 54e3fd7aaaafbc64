"""Logs and metrics of the bridge itself."""
