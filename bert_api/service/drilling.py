"""GET, POST and DELETE /drills: only there when drills are allowed."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from bert_api.drills import KINDS, DrillError, Drills
from bert_api.service.problems import problem
from bert_api.service.questions import Refused

log = logging.getLogger(__name__)


def blueprint(drills: Drills) -> Blueprint:
    routes = Blueprint("drilling", __name__, url_prefix="/drills")
    routes.before_request(_refuse_other_sites)

    @routes.get("")
    def show() -> ResponseReturnValue:
        return jsonify(drills=drills.state())

    @routes.post("/<name>")
    def begin(name: str) -> ResponseReturnValue:
        _known(name)
        drills.begin(name, _asked())
        log.warning("drill begun", extra={"drill": name})
        return jsonify(drills=drills.state())

    @routes.delete("/<name>")
    def end(name: str) -> ResponseReturnValue:
        _known(name)
        drills.end(name)
        log.warning("drill ended", extra={"drill": name})
        return jsonify(drills=drills.state())

    @routes.errorhandler(DrillError)
    def unfit(error: DrillError) -> ResponseReturnValue:
        return problem(422, "drill", str(error), "GET /drills lists each drill's parameters.")

    return routes


def _known(name: str) -> None:
    if name not in KINDS:
        raise Refused(404, "no_such_drill", "There is no such drill.", f"There are: {', '.join(KINDS)}.")


def _asked() -> dict[str, Any]:
    """Nothing at all means the usual values."""
    body = request.get_data()
    content = request.get_json(force=True, silent=True) if body.strip() else {}
    if not isinstance(content, dict):
        raise Refused(400, "not_json", "The body is no JSON object.", 'Send for instance {"for_seconds": 60}.')
    return content


def _refuse_other_sites() -> None:
    """A page of another site could otherwise make its reader's browser begin a drill."""
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        raise Refused(403, "other_site", "Another site's page must not do this.", "Use a command line.")
