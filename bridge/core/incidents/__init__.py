"""The life of an incident: what alerts and users change, its timeline, and when it flaps. Pure."""
