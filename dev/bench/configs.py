"""The two configurations: every channel is notified of everything, without rate limits."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

ROUTES = """\
channels:
  pagerduty:
    type: pagerduty
    routing_key: ${{BENCH_ROUTING_KEY}}
    base_url: http://127.0.0.1:{http}
    rate: unlimited
    concurrency: 32
  slack:
    type: slack
    token: ${{BENCH_SLACK_TOKEN}}
    channel: "#bench"
    base_url: http://127.0.0.1:{http}/api/
    rate: unlimited
    concurrency: 32
  email:
    type: email
    smarthost: 127.0.0.1:{smtp}
    tls: none
    from: bridge@example.org
    to: [bench@example.org]
    rate: unlimited
    concurrency: 32
retention: 400d
route:
  notify: [pagerduty, slack, email]
"""

ALERTMANAGER = """\
route:
  receiver: bench
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1m
  repeat_interval: 4h
receivers:
  - name: bench
    pagerduty_configs:
      - routing_key: {key}
        url: http://127.0.0.1:{http}/v2/enqueue
    slack_configs:
      - api_url: http://127.0.0.1:{http}/services/bench
        channel: "#bench"
    email_configs:
      - to: bench@example.org
        from: alertmanager@example.org
        smarthost: 127.0.0.1:{smtp}
        require_tls: false
"""


SHIPPED = Path(__file__).parents[2] / "routes.yaml"


def routes(http: int, smtp: int, *, context: bool = False) -> str:
    """With the questions of the shipped configuration, if there is a Prometheus to ask."""
    return ROUTES.format(http=http, smtp=smtp) + (_shipped("context") if context else "")


def _shipped(section: str) -> str:
    """A top-level section as it stands in the file."""
    found = re.search(rf"^{section}:\n(?:(?:[ #].*)?\n)+", SHIPPED.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return found[0]


def alertmanager(http: int, smtp: int) -> str:
    return ALERTMANAGER.format(http=http, smtp=smtp, key=secrets.token_hex(16))


def environment(prometheus: str | None = None) -> dict[str, str]:
    """Random secrets, new in every run."""
    return {
        **({"PROMETHEUS_URL": prometheus} if prometheus else {}),
        "BENCH_ROUTING_KEY": secrets.token_hex(16),
        "BENCH_SLACK_TOKEN": f"xoxb-{secrets.token_hex(16)}",
    }
