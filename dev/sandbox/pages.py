"""The page that shows what on-call would see, its live stream, and each mail's HTML behind a sandbox."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader

from dev.sandbox.faults import DEFAULT_SECONDS, HTTP_KINDS, SMTP_KINDS, STAGES
from dev.sandbox.mailbox import Mail
from dev.sandbox.mrkdwn import EMOJIS, link, markdown, mrkdwn
from dev.sandbox.state import STATE, Feed, Part, State
from dev.sandbox.wire import Json, text_of

HERE = Path(__file__).parent
SHOWN = 100  # newest incidents, messages and mails
STREAM_PAUSE_SECONDS = 0.2
KEEPALIVE_SECONDS = 15.0
FRAGMENTS = ("pagerduty", "slack", "mail", "webhook", "faults")
COLOURS = {"good": "#2eb67d", "warning": "#ecb22e", "danger": "#e01e5a"}

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

TEMPLATES = web.AppKey("templates", Environment)


def add_pages(app: web.Application) -> None:
    app[TEMPLATES] = _environment()
    app.router.add_get("/", page)
    app.router.add_get("/fragment/{part}", fragment)
    app.router.add_get("/stream", stream)
    app.router.add_get("/mail/{number}/html", mail_html)
    app.router.add_get("/mail/{number}/raw", mail_raw)
    app.router.add_get("/archives/{channel}/{message}", permalink)
    app.router.add_get("/favicon.ico", icon)
    app.router.add_static("/static", HERE / "static")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "mrkdwn": mrkdwn, "markdown": markdown, "colour": _colour,
        "clock": _clock, "clock_of_ts": _clock_of_ts,
        "pretty": lambda value: text_of(value, pretty=True),
        "emoji": lambda name: EMOJIS.get(name, f":{name}:"),
    }  # fmt: skip
    environment.globals |= {"link": link, "image_address": _image_address}
    return environment


async def page(request: web.Request) -> web.Response:
    parts = {part: _rendered(request, part) for part in FRAGMENTS}
    return _html(request.app[TEMPLATES].get_template("page.html").render(parts=parts), PAGE_POLICY)


async def icon(request: web.Request) -> web.FileResponse:
    """Resources that a browser requests besides pages, such as a mail or an image."""
    return web.FileResponse(HERE / "static" / "icon.svg")


async def fragment(request: web.Request) -> web.Response:
    part = request.match_info["part"]
    if part not in FRAGMENTS:
        raise web.HTTPNotFound(text="no such part of the page")
    return _html(_rendered(request, part), PAGE_POLICY)


def _rendered(request: web.Request, part: str) -> str:
    view = _VIEWS[part](request.app[STATE], request.query)
    return request.app[TEMPLATES].get_template(f"{part}.html").render(view)


def _pagerduty_view(state: State, query: Mapping[str, str]) -> Json:
    account = state.pagerduty
    newest = list(islice(reversed(account.incidents.values()), SHOWN))
    changes = list(islice(reversed(account.changes), 20))
    return {
        "incidents": newest,
        "changes": changes,
        "counts": account.counts(),
        "rejected": _last(account.rejected),
    }


def _slack_view(state: State, query: Mapping[str, str]) -> Json:
    channels = sorted((c for c in state.slack.channels.values() if c.by_ts), key=lambda c: c.name)
    busiest = max(channels, key=lambda c: max(c.by_ts), default=None)
    chosen = next((c for c in channels if c.id == query.get("channel")), busiest)
    messages = list(islice(reversed(chosen.parents.values()), SHOWN)) if chosen else []
    return {
        "channels": channels,
        "chosen": chosen,
        "messages": messages,
        "rejected": _last(state.slack.rejected),
    }


def _mail_view(state: State, query: Mapping[str, str]) -> Json:
    newest = list(islice(reversed(state.mail.mails.values()), SHOWN))
    opened = _mail(state, query.get("mail", ""))
    tab = query.get("tab", "html" if opened and opened.html else "text")
    return {"mails": newest, "opened": opened, "tab": tab, "counts": state.mail.counts()}


def _faults_view(state: State, query: Mapping[str, str]) -> Json:
    kinds = list(dict.fromkeys((*HTTP_KINDS, *SMTP_KINDS)))
    return {"faults": state.faults.faults, "kinds": kinds, "stages": STAGES, "timed": list(DEFAULT_SECONDS)}


def _webhook_view(state: State, query: Mapping[str, str]) -> Json:
    receiver = state.webhook
    newest = list(islice(reversed(receiver.deliveries.values()), SHOWN))
    return {"deliveries": newest, "counts": receiver.counts(), "refused": _last(receiver.refused)}


_VIEWS = {
    "pagerduty": _pagerduty_view, "slack": _slack_view, "mail": _mail_view, "webhook": _webhook_view,
    "faults": _faults_view,
}  # fmt: skip


async def stream(request: web.Request) -> web.StreamResponse:
    """Server-sent events that only name the parts that changed; the page fetches those again."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **SAFE_HEADERS})
    await response.prepare(request)
    with suppress(ConnectionResetError):  # the reader closed the page
        await _tell_changes(request.app[STATE].feed, response)
    return response


async def _tell_changes(feed: Feed, response: web.StreamResponse) -> None:
    await response.write(b"retry: 1000\n\n")
    seen: dict[Part, int] = {}
    while not feed.closed:
        if changed := feed.since(seen):
            seen = dict(feed.versions)
            await response.write(f"event: change\ndata: {text_of(changed)}\n\n".encode())
            await asyncio.sleep(STREAM_PAUSE_SECONDS)  # a storm becomes five updates a second
            continue
        try:
            await asyncio.wait_for(feed.wait(), KEEPALIVE_SECONDS)
        except TimeoutError:
            await response.write(b": still here\n\n")


async def mail_html(request: web.Request) -> web.Response:
    mail = _mail(request.app[STATE], request.match_info["number"])
    if mail is None:
        raise web.HTTPNotFound(text="no such mail")
    return _html(mail.html_with_inline_images(), MAIL_POLICY)


async def mail_raw(request: web.Request) -> web.Response:
    mail = _mail(request.app[STATE], request.match_info["number"])
    if mail is None:
        raise web.HTTPNotFound(text="no such mail")
    headers = {**SAFE_HEADERS, "Content-Security-Policy": "sandbox; default-src 'none'"}
    return web.Response(body=mail.raw, content_type="text/plain", charset="utf-8", headers=headers)


async def permalink(request: web.Request) -> web.Response:
    raise web.HTTPFound(f"/?channel={re.sub('[^A-Z0-9]', '', request.match_info['channel'])}")


def _mail(state: State, number: str) -> Mail | None:
    return state.mail.mails.get(int(number)) if number.isascii() and number.isdigit() else None


def _html(body: str, policy: str) -> web.Response:
    headers = {**SAFE_HEADERS, "Content-Security-Policy": policy}
    return web.Response(
        body=body.encode("utf-8", "replace"), content_type="text/html", charset="utf-8", headers=headers
    )


def _last(rejected: Any) -> Json | None:
    return rejected[-1] if rejected else None


def _clock(moment: str | None) -> str:
    return moment[11:19] if moment else ""


def _clock_of_ts(ts: str) -> str:
    seconds = int(ts.partition(".")[0]) % 86_400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _colour(value: object) -> str:
    text = COLOURS.get(str(value), str(value))
    return text if re.fullmatch(r"#[0-9a-fA-F]{3}(?:[0-9a-fA-F]{3})?", text) else "#8a8f98"


def _image_address(image: Json) -> str | None:
    """Only images that were uploaded here are shown; the page loads nothing from elsewhere."""
    file = image.get("slack_file") or {}
    found = re.fullmatch(r"F[A-Z0-9]+", str(file.get("id", "")))
    return f"/files/{found.group()}" if found else None
