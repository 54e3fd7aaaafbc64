"""Webhooks to receivers of the user's own: Alertmanager's JSON, what the bridge knows besides, and a signature."""
