"""Telling somebody outside that the bridge is well."""

from bridge.pings.client import OutsideUrl

__all__ = ["OutsideUrl"]
