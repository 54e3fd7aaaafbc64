"""The Grafana dashboards as code: `python -m dashboards write` makes docker/grafana/dashboards/*.json."""
