"""Turning an incident into what people read: text hygiene, links, and the view behind every template."""
