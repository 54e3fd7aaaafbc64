"""Clients of the servers that the bridge asks: Prometheus, Alertmanager, the outside monitor."""
