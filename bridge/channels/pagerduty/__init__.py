"""PagerDuty: incidents by Events API v2, and change events."""
