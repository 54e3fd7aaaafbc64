"""POST /api/v1/incidents/N/...: what users do to an incident.

Invariant: only a POST acts, and only one that no other site's page can make a browser send: its body is declared JSON,
and its Origin, if it has one, is the bridge's own. 2xx only after the store has committed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from flask import Blueprint, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge, ServiceUnavailable

from bridge.config.access import PersonSettings, name_of
from bridge.config.settings import Settings
from bridge.core.cursors import LARGEST
from bridge.core.incidents.actions import Action, ActionResult, Actions, RequestKey, Verb, Why, note_of
from bridge.core.roles import Role
from bridge.core.timeline import Place
from bridge.observability import logs
from bridge.rendering.text import one_line
from bridge.web.bodies import NOTHING, NoRoom, Wanted, is_plain, read_at_most, reads_body
from bridge.web.callers import from_another_site
from bridge.web.logins import Logins
from bridge.web.users import User, refuse_below

log = logs.get(__name__)
MAX_BODY = 65_536  #: bytes; a note of 2,000 characters has 24,000 at most
MAX_NAME = 200
MAX_KEY = 255
VERBS = {
    "ack": Verb.ACKNOWLEDGE,
    "unack": Verb.UNACKNOWLEDGE,
    "resolve": Verb.RESOLVE,
    "note": Verb.NOTE,
    "escalate": Verb.ESCALATE,
}
#: What a body may have besides `revision` and `actor`.
OWN_FIELD = {Verb.NOTE: "text", Verb.ESCALATE: "channel"}


def blueprint(
    current: Callable[[], Settings], actions: Actions, clock: Callable[[], datetime], logins: Logins
) -> Blueprint:
    routes = Blueprint("actions", __name__, url_prefix="/api/v1")
    routes.before_request(lambda: _refuse_other_sites(current()))
    routes.before_request(logins.demand)
    for word, verb in VERBS.items():
        view = _view(verb, current, actions, clock)
        routes.add_url_rule(f"/incidents/<int:number>/{word}", word, view, methods=["POST"])
    return routes


def _view(
    verb: Verb, current: Callable[[], Settings], actions: Actions, clock: Callable[[], datetime]
) -> Callable[..., ResponseReturnValue]:
    @reads_body(lambda req, number: Wanted(MAX_BODY) if is_plain(req) and req.is_json else NOTHING)
    def take(number: int) -> ResponseReturnValue:
        user = refuse_below(Role.RESPONDER)
        body = _body()
        action = _action(verb, body, user, current().people)
        result = actions.take(number, action, clock(), _key(number, action, user))
        if result is None:
            abort(404, f"There is no incident {number}. GET /api/v1/incidents lists all incidents.")
        log.info("incident_action", incident=number, action=verb, by=action.actor, refused=result.why)
        return answer_of(result)

    return take


def answer_of(result: ActionResult) -> Response:
    """200 if it is in the wanted state, by any user; 409 if it cannot be; 422 for a key of another request."""
    known = {"number": result.number, "state": result.state, "revision": result.revision}
    if result.why in (None, Why.ALREADY):
        return jsonify(known | {"changed": result.why is None, "message": result.text})
    answer = jsonify(known | {"error": result.text, "why": result.why})
    answer.status_code = 422 if result.why is Why.KEY_REUSED else 409
    return answer


def _refuse_other_sites(settings: Settings) -> None:
    if from_another_site(request, settings):
        abort(403, "Requests from another site's page are refused.")


def _body() -> Mapping[str, Any]:
    if not request.is_json or not is_plain(request):
        abort(415, "Send JSON, not compressed, with the header Content-Type: application/json.")
    try:
        text = read_at_most(MAX_BODY)
        body = orjson.loads(text) if text.strip() else {}
    except RequestEntityTooLarge:
        abort(413, f"The body is larger than {MAX_BODY:,} bytes; an action needs far less.")
    except NoRoom:
        busy = "Too many bytes are being received (limits.buffered in routes.yaml): send it again."
        raise ServiceUnavailable(busy, retry_after=1) from None
    except ValueError as fault:
        abort(400, f"The body is not JSON: {fault}")
    if not isinstance(body, dict):
        abort(400, "The body should be a JSON object, such as {}.")
    return body


def _action(verb: Verb, body: Mapping[str, Any], user: User, people: Sequence[PersonSettings]) -> Action:
    known = {"revision", "actor"} | ({OWN_FIELD[verb]} if verb in OWN_FIELD else set())
    unknown = sorted(set(body) - known)
    if unknown:
        abort(400, f"{unknown[0]!r:.100} is not known here; known are {', '.join(sorted(known))}")
    return Action(
        verb,
        _actor(body, user, people),
        Place.API,
        text=_note(body) if verb is Verb.NOTE else "",
        channel=_channel(body) if verb is Verb.ESCALATE else "",
        revision=_revision(body),
    )


def _actor(body: Mapping[str, Any], user: User, people: Sequence[PersonSettings]) -> str:
    given = body.get("actor")
    if given is None:
        return user.name
    if user.identified:
        abort(400, f"actor: your login says who acts ({user.name}): leave it out")
    name = one_line(given) if isinstance(given, str) else ""
    if not name or len(name) > MAX_NAME:
        abort(400, f"actor: write a name of 1 to {MAX_NAME} characters")
    return name_of(people, name)


def _note(body: Mapping[str, Any]) -> str:
    text = body.get("text")
    if not isinstance(text, str):
        abort(400, 'text: the note is missing; send {"text": "..."}')
    try:
        return note_of(text)
    except ValueError as fault:
        abort(400, f"text: {fault}")


def _channel(body: Mapping[str, Any]) -> str:
    channel = body.get("channel")
    if channel is None:
        return ""
    name = one_line(channel) if isinstance(channel, str) else ""
    if not name or len(name) > MAX_NAME:
        abort(400, "channel: write a channel's name, or leave it out for the next step of the routes")
    return name


def _revision(body: Mapping[str, Any]) -> int | None:
    revision = body.get("revision")
    if revision is not None and not (type(revision) is int and 1 <= revision <= LARGEST):
        abort(400, "revision: write the number that GET /api/v1/incidents/N gave, or leave it out")
    return revision


def _key(number: int, action: Action, user: User) -> RequestKey | None:
    """Keys are each user's own; the request is what is asked for, however it is written."""
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    key = given.strip()
    if not key or len(key) > MAX_KEY or not (key.isascii() and key.isprintable()):
        abort(400, f"Idempotency-Key: write 1 to {MAX_KEY} printable ASCII characters, such as a random UUID")
    asked = [number, action.verb, action.actor, action.text, action.channel, action.revision]
    return RequestKey(_sha256([user.name, key]), _sha256(asked))


def _sha256(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
