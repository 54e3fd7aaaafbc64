"""The two configurations: every channel is notified of everything, without rate limits, with a timeout of 2 s."""

from __future__ import annotations

ROUTES = """\
sources:
  - {{name: soak, type: alertmanager, tokens: ["${{SOAK_TOKEN}}"]}}
channels:
  pagerduty:
    type: pagerduty
    routing_key: ${{SOAK_ROUTING_KEY}}
    base_url: {http}
    rate: unlimited
    timeout: 2s
  slack:
    type: slack
    token: ${{SOAK_SLACK_TOKEN}}
    channel: C0SOAKING1
    base_url: {http}/api/
    rate: unlimited
    timeout: 2s
  email:
    type: email
    smarthost: {smtp}
    tls: none
    from: bridge@example.org
    to: [soak@example.org]
    rate: unlimited
    timeout: 2s
route:
  notify: [pagerduty, slack, email]
"""

ALERTMANAGER = """\
route:
  receiver: soak
  group_by: [alertname]
  group_wait: 0s
  group_interval: 2s
  repeat_interval: 4h
receivers:
  - name: soak
    pagerduty_configs:
      - routing_key: {key}
        url: {http}/v2/enqueue
    slack_configs:
      - api_url: {http}/services/T0SOAK/B0SOAK/soak
        channel: "#soak"
        send_resolved: true
    email_configs:
      - to: soak@example.org
        from: alertmanager@example.org
        smarthost: {smtp}
        require_tls: false
        send_resolved: true
"""
