"""The whole story on one machine: sandbox, Alertmanager, Prometheus and bridge, without Docker and without root."""
