"""The web floor: webhooks in, health and metrics out, and pages for people. The only importer of Flask and waitress."""

from bridge.web.auth import check_listen
from bridge.web.create_app import create_app
from bridge.web.server import make_server

__all__ = ["check_listen", "create_app", "make_server"]
