"""PagerDuty's Events API v2: POST /v2/enqueue and /v2/change/enqueue, as strict as the vendor.

https://developer.pagerduty.com/docs/events-api-v2-overview
"""

import re
import uuid
from datetime import datetime
from typing import Any

from aiohttp import web

from dev.sandbox.credentials import ROUTING_KEY
from dev.sandbox.pacing import SlidingWindow
from dev.sandbox.state import OPTIONS, STATE
from dev.sandbox.wire import Json, answer, parse

MAX_EVENT_BYTES = 512_000  # the limit Alertmanager keeps; the vendor says "512 KB"
SEVERITIES = ("critical", "error", "warning", "info")
ACTIONS = ("trigger", "acknowledge", "resolve")
WEB_ADDRESS = re.compile(r"https?://[^\s]+", re.IGNORECASE)

WINDOW = web.AppKey("pagerduty_window", SlidingWindow)


def add_pagerduty(app: web.Application) -> None:
    app[WINDOW] = SlidingWindow(calls=120, seconds=60)
    app.router.add_post("/v2/enqueue", enqueue)
    app.router.add_post("/v2/change/enqueue", enqueue_change)


async def enqueue(request: web.Request) -> web.Response:
    event = await _accepted(request, event_faults)
    if isinstance(event, web.Response):
        return event
    dedup_key = event.get("dedup_key") or uuid.uuid4().hex
    state = request.app[STATE]
    state.pagerduty.receive(event, dedup_key)
    state.feed.touch("pagerduty")
    return answer({"status": "success", "message": "Event processed", "dedup_key": dedup_key}, 202)


async def enqueue_change(request: web.Request) -> web.Response:
    event = await _accepted(request, change_faults)
    if isinstance(event, web.Response):
        return event
    state = request.app[STATE]
    state.pagerduty.receive_change(event)
    state.feed.touch("pagerduty")
    return answer({"status": "success", "message": "Change event processed"}, 202)


async def _accepted(request: web.Request, faults_of: Any) -> Json | web.Response:
    """The event, or the vendor's refusal of it."""
    body = await request.read()
    if len(body) > MAX_EVENT_BYTES:
        return _refuse(request, ["Event size exceeds the maximum of 512 KB"], {"bytes": len(body)}, 413)
    try:
        event = parse(body)
    except ValueError:
        return _refuse(request, ["JSON is not valid"], body[:2000].decode("utf-8", "replace"))
    if not isinstance(event, dict):
        return _refuse(request, ["Event must be a JSON object"], event)
    if faults := key_faults(event, request.app[OPTIONS].routing_keys) + faults_of(event):
        return _refuse(request, faults, event)
    return _throttled(request, event["routing_key"]) or event


def _refuse(request: web.Request, errors: list[str], event: Any, status: int = 400) -> web.Response:
    state = request.app[STATE]
    state.pagerduty.reject(status, errors, event)
    state.feed.touch("pagerduty")
    return answer({"status": "invalid event", "message": "Event object is invalid", "errors": errors}, status)


def _throttled(request: web.Request, routing_key: str) -> web.Response | None:
    if not request.app[OPTIONS].rate_limits:
        return None
    wait = request.app[WINDOW].seconds_to_wait(routing_key)
    return throttled(wait) if wait else None


def throttled(retry_after: float | None) -> web.Response:
    headers = {"Retry-After": f"{retry_after:g}"} if retry_after else None
    return answer(
        {
            "status": "throttle exceeded",
            "message": "Requests for this service are arriving too quickly.  Please retry later.",
            "errors": ["Enhance Your Calm."],
        },
        429,
        headers,
    )


def key_faults(event: Json, known: tuple[str, ...]) -> list[str]:
    key = event.get("routing_key")
    if not isinstance(key, str) or not key:
        return ["'routing_key' is missing or blank"]
    if len(key) != 32:
        return ["Length of 'routing_key' is incorrect (should be 32 characters)"]
    if (known and key not in known) or not ROUTING_KEY.fullmatch(key):
        return ["Invalid routing key"]
    return []


def event_faults(event: Json) -> list[str]:
    action = event.get("event_action")
    if action not in ACTIONS:
        return ["'event_action' must be one of trigger, acknowledge, resolve"]
    faults = _dedup_key_faults(event, action)
    faults += _kind_faults(event, ("client", "client_url"), str, "a string")
    if action == "trigger":
        faults += _payload_faults(event.get("payload"), needs_severity=True)
        faults += _link_faults(event.get("links")) + _image_faults(event.get("images"))
    return faults


def change_faults(event: Json) -> list[str]:
    if str(event.get("routing_key")).startswith("R"):
        return ["Change events need the routing key of a service, not of a ruleset"]
    return _payload_faults(event.get("payload"), needs_severity=False) + _link_faults(event.get("links"))


def _dedup_key_faults(event: Json, action: str) -> list[str]:
    key = event.get("dedup_key")
    if key is None or key == "":
        return [] if action == "trigger" else ["'dedup_key' is missing or blank"]
    if not isinstance(key, str):
        return ["'dedup_key' must be a string"]
    return ["'dedup_key' is too long (maximum is 255 characters)"] if len(key) > 255 else []


def _payload_faults(payload: Any, *, needs_severity: bool) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    faults = _summary_faults(payload.get("summary"))
    if needs_severity:
        faults += _blank_faults(payload, "source") + _severity_faults(payload.get("severity"))
    faults += _kind_faults(payload, ("source", "component", "group", "class"), str, "a string")
    faults += _kind_faults(payload, ("custom_details",), dict, "an object")
    return faults + _timestamp_faults(payload.get("timestamp"))


def _summary_faults(summary: Any) -> list[str]:
    if not isinstance(summary, str) or not summary.strip():
        return ["'payload.summary' is missing or blank"]
    # The spelling is the vendor's: https://github.com/dagster-io/dagster/issues/19567
    return ["'summary' is too long (maiximum is 1024 characters)"] if len(summary) > 1024 else []


def _severity_faults(severity: Any) -> list[str]:
    if severity in SEVERITIES:
        return []
    allowed = "'critical', 'warning', 'error' or 'info'"
    return [f"'payload.severity' is invalid (must be one of the following: {allowed})"]


def _blank_faults(payload: Json, name: str) -> list[str]:
    value = payload.get(name)
    return [] if value is not None and value != "" else [f"'payload.{name}' is missing or blank"]


def _kind_faults(holder: Json, names: tuple[str, ...], kind: type, called: str) -> list[str]:
    wrong = [name for name in names if holder.get(name) is not None and not isinstance(holder[name], kind)]
    return [f"'{name}' must be {called}" for name in wrong]


def _timestamp_faults(timestamp: Any) -> list[str]:
    if timestamp is None:
        return []
    try:
        datetime.fromisoformat(timestamp)
    except (TypeError, ValueError):
        return ["'payload.timestamp' must be an ISO 8601 time"]
    return []


def _link_faults(links: Any) -> list[str]:
    if links is None:
        return []
    if not isinstance(links, list) or not all(isinstance(link, dict) for link in links):
        return ["'links' must be a list of objects"]
    wrong = [index for index, link in enumerate(links) if not _is_address(link.get("href"))]
    faults = [f"'links[{index}].href' must be a web address" for index in wrong]
    return faults + [f for link in links for f in _kind_faults(link, ("text",), str, "a string")]


def _image_faults(images: Any) -> list[str]:
    if images is None:
        return []
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        return ["'images' must be a list of objects"]
    plain = [i for i, image in enumerate(images) if not str(image.get("src") or "").startswith("https://")]
    faults = [f"'images[{index}].src' must be an HTTPS address" for index in plain]
    bad_links = [i for i, image in enumerate(images) if image.get("href") and not _is_address(image["href"])]
    return faults + [f"'images[{index}].href' must be a web address" for index in bad_links]


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and WEB_ADDRESS.fullmatch(value) is not None
