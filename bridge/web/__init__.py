"""The web process: webhooks, health, metrics, API and pages. The only package that imports Flask and waitress."""

from bridge.web.auth import check_listen
from bridge.web.create_app import create_app
from bridge.web.server import make_server

__all__ = ["check_listen", "create_app", "make_server"]
