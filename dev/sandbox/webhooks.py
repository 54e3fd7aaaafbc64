"""A receiver of webhooks: POST /webhook/NAME checks signatures, drops duplicates, as docs/webhook-channel.md says."""

import hashlib
import hmac
import time
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from dev.sandbox.state import OPTIONS, STATE
from dev.sandbox.wire import Json, answer, now_text, parse

MAX_BYTES = 1_000_000
MAX_AGE_SECONDS = 300
KEYS = ("version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels",
        "commonAnnotations", "externalURL", "alerts", "incident")  # fmt: skip


def add_webhooks(app: web.Application) -> None:
    app.router.add_post("/webhook/{name}", receive)


async def receive(request: web.Request) -> web.Response:
    state, body = request.app[STATE], await request.read()
    status, fault, payload = _read(request, body)
    state.feed.touch("webhook")
    if fault:
        state.webhook.refused.append({"status": status, "why": fault, "at": now_text()})
        return answer({"error": fault}, status)
    key = request.headers["Idempotency-Key"]
    signed = bool(request.app[OPTIONS].webhook_secrets)
    new = state.webhook.receive(key, request.path, payload, signed=signed)
    return answer({"taken": new, "duplicate": not new})


def _read(request: web.Request, body: bytes) -> tuple[int, str, Json]:
    """What is wrong with it, and the status for that; or the payload."""
    if len(body) > MAX_BYTES:
        return 413, f"more than {MAX_BYTES} bytes", {}
    if fault := signature_fault(request.headers, body, request.app[OPTIONS].webhook_secrets, time.time()):
        return 401, fault, {}
    try:
        payload = parse(body)
    except ValueError:
        return 400, "this is not JSON", {}
    missing = [key for key in KEYS if key not in payload] if isinstance(payload, dict) else ["an object"]
    if missing:
        return 422, f"missing: {', '.join(missing)}", {}
    if not request.headers.get("Idempotency-Key"):
        return 400, "no Idempotency-Key", {}
    return 200, "", payload


def signature_fault(headers: Any, body: bytes, secrets: Iterable[str], now: float) -> str:
    """Empty when one of the signatures was made with one of the secrets, just now; or when none is known here."""
    secrets = tuple(secrets)
    stamp = headers.get("X-Bridge-Timestamp", "")
    if not secrets:
        return ""
    if not (stamp.isascii() and stamp.isdigit()) or abs(now - int(stamp)) > MAX_AGE_SECONDS:
        return "X-Bridge-Timestamp is missing or too old"
    content = stamp.encode() + b"." + body
    right = {"v1=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest() for secret in secrets}
    given = headers.get("X-Bridge-Signature", "").split(",")
    fits = any(hmac.compare_digest(one.encode(), each.encode()) for one in right for each in given)
    return "" if fits else "no signature in X-Bridge-Signature fits"
