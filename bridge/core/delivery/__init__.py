"""Which targets must be notified, how failures are judged, and when to retry or give up. Pure."""
