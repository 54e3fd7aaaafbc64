"""The two configurations: every channel is notified of everything, without rate limits."""

from __future__ import annotations

import secrets

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


CONTEXT = """context:
  prometheus: {{url: "{url}"}}
  questions:
{questions}
"""


def routes(http: int, smtp: int, prometheus: str | None = None) -> str:
    """With as many questions as the shipped configuration asks about an alert, if there is a Prometheus to ask."""
    text = ROUTES.format(http=http, smtp=smtp)
    if prometheus is None:
        return text
    asked = [f"    - {{name: q{n}, title: Question {n}, unit: ratio, expr: up == {n}, ago: [1h]}}" for n in range(15)]
    return text + CONTEXT.format(url=prometheus, questions="\n".join(asked))


def alertmanager(http: int, smtp: int) -> str:
    return ALERTMANAGER.format(http=http, smtp=smtp, key=secrets.token_hex(16))


def environment() -> dict[str, str]:
    """Random secrets, new in every run."""
    return {
        "BENCH_ROUTING_KEY": secrets.token_hex(16),
        "BENCH_SLACK_TOKEN": f"xoxb-{secrets.token_hex(16)}",
    }
