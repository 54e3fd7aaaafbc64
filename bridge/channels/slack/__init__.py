"""Slack: one message for each incident, edited in place, with a thread."""
