"""Builds the one aiohttp application: the HTTP vendors, their faults, the state for tests, and the page."""

from aiohttp import web

from dev.sandbox.http_faults import inject_faults
from dev.sandbox.inspection import add_inspection
from dev.sandbox.options import Options
from dev.sandbox.pagerduty import add_pagerduty
from dev.sandbox.pages import add_pages
from dev.sandbox.slack import add_slack
from dev.sandbox.slack_files import MAX_UPLOAD_BYTES
from dev.sandbox.state import OPTIONS, STATE, State
from dev.sandbox.webhooks import add_webhooks


def create_app(state: State, options: Options) -> web.Application:
    app = web.Application(middlewares=[inject_faults], client_max_size=MAX_UPLOAD_BYTES + 1_000_000)
    app[STATE], app[OPTIONS] = state, options
    add_pagerduty(app)
    add_slack(app)
    add_webhooks(app)
    add_inspection(app)
    add_pages(app)
    return app
