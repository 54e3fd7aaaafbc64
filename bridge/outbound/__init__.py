"""Outbound connections: what every call to a vendor has in common, whichever library makes it."""
