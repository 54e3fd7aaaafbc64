"""Asking Alertmanagers what they know: the only client of their API."""

from bridge.alertmanagers.client import AlertmanagerApi, Server

__all__ = ["AlertmanagerApi", "Server"]
