"""The incident bridge: Alertmanager's notifications to PagerDuty, email and Slack; nothing lost, no one paged twice."""

__version__ = "0.1.0"
