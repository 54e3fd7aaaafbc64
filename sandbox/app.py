"""Builds the one aiohttp application: the HTTP vendors, their faults, the state for tests, and the page."""

from aiohttp import web

from sandbox.http_faults import inject_faults
from sandbox.inspection import add_inspection
from sandbox.options import Options
from sandbox.pagerduty import add_pagerduty
from sandbox.pages import add_pages
from sandbox.slack import add_slack
from sandbox.slack_files import MAX_UPLOAD_BYTES
from sandbox.state import OPTIONS, STATE, State


def create_app(state: State, options: Options) -> web.Application:
    app = web.Application(middlewares=[inject_faults], client_max_size=MAX_UPLOAD_BYTES + 1_000_000)
    app[STATE], app[OPTIONS] = state, options
    add_pagerduty(app)
    add_slack(app)
    add_inspection(app)
    add_pages(app)
    return app
