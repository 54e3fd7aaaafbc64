"""The runbooks that come with the bridge, as pages."""

from __future__ import annotations

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from bridge.rendering.runbook_pages import all_runbooks, runbook
from bridge.web.logins import Logins


def blueprint(logins: Logins) -> Blueprint:
    routes = Blueprint("runbooks", __name__, url_prefix="/runbooks")
    routes.before_request(logins.demand)

    @routes.get("/")
    def index() -> ResponseReturnValue:
        return render_template("runbooks.html", runbooks=all_runbooks())

    @routes.get("/<name>")
    def show(name: str) -> ResponseReturnValue:
        found = runbook(name)
        if found is None:
            abort(
                404,
                f"There is no runbook {name}: the bridge has runbooks for its own alerts only. "
                "For yours, set the annotation runbook_url to a URL, or set runbook_base_url.",
            )
        return render_template("runbook.html", runbook=found, body=Markup(found.html))

    return routes
