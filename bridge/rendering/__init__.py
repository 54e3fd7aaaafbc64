"""Renders incidents for users: sanitized text, links, and the view behind every template."""
