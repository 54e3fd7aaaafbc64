"""Slack's Web API under /api/ and incoming webhooks: who may call, how arguments arrive, how errors look.

https://docs.slack.dev/apis/web-api
"""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from dev.sandbox import slack_files, slack_history, slack_messages
from dev.sandbox.credentials import SLACK_TOKEN
from dev.sandbox.pacing import SlidingWindow
from dev.sandbox.slack_call import Call, SlackError, caller_of
from dev.sandbox.state import OPTIONS, STATE
from dev.sandbox.wire import Json, answer, parse

Method = Callable[[Call], Json]

METHODS: dict[str, Method] = {
    "auth.test": slack_messages.auth_test,
    "chat.postMessage": slack_messages.post_message,
    "chat.update": slack_messages.update,
    "chat.getPermalink": slack_messages.get_permalink,
    "reactions.add": slack_messages.add_reaction,
    "conversations.history": slack_history.history,
    "conversations.replies": slack_history.replies,
    "files.getUploadURLExternal": slack_files.get_upload_url,
    "files.completeUploadExternal": slack_files.complete_upload,
    "files.info": slack_files.info,
}
FORM_ONLY = {"files.getUploadURLExternal", "files.info", "chat.getPermalink"}
JSON_ARGUMENTS = ("blocks", "attachments", "metadata", "files")
FORMAT_ERRORS = {"blocks": "invalid_blocks_format", "metadata": "invalid_metadata_format"}
POSTING = web.AppKey("slack_posting", SlidingWindow)
UPDATING = web.AppKey("slack_updating", SlidingWindow)


def add_slack(app: web.Application) -> None:
    app[POSTING] = SlidingWindow(calls=1, seconds=1)  # each channel
    app[UPDATING] = SlidingWindow(calls=50, seconds=60)  # tier 3, each workspace
    app.router.add_route("*", "/api/{method}", call_method)
    app.router.add_post("/services/{team}/{bot}/{secret}", incoming_webhook)
    slack_files.add_upload(app)


async def call_method(request: web.Request) -> web.Response:
    method = request.match_info["method"]
    args: Json = {}
    try:
        args, from_json = await arguments(request)
        token = _authenticated(request, args.pop("token", None))
        if method not in METHODS:
            raise SlackError("unknown_method")
        if from_json and method in FORM_ONLY:
            args = {}  # these methods do not read JSON: https://docs.slack.dev/apis/web-api/#posting_json
        call = _call(request, method, decoded(args), token)
        _pace(request, call)
        body = METHODS[method](call)
    except SlackError as error:
        return refuse(request, method, error, args)
    _count(request, method)
    return answer({"ok": True, **body})


def _call(request: web.Request, method: str, args: Json, token: str) -> Call:
    base_url = f"{request.scheme}://{request.host}"
    state, options = request.app[STATE], request.app[OPTIONS]
    return Call(method, args, caller_of(token), base_url, state.slack, options.missing_channels)


def _count(request: web.Request, method: str) -> None:
    state = request.app[STATE]
    state.slack.calls[method] = state.slack.calls.get(method, 0) + 1
    state.feed.touch("slack")


def refuse(request: web.Request, method: str, error: SlackError, args: Json) -> web.Response:
    state = request.app[STATE]
    state.slack.reject(method, error.code, error.messages, args)
    state.feed.touch("slack")
    return answer(error.body(), error.status, error.headers())


async def arguments(request: web.Request) -> tuple[Json, bool]:
    """Query, form or JSON; a JSON body is distinguished because some methods do not read it."""
    args: Json = dict(request.query)
    if request.content_type == "application/json" and request.body_exists:
        return args | await _json_arguments(request), True
    if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        form = await request.post()
        return args | {name: value for name, value in form.items() if isinstance(value, str)}, False
    if request.body_exists and await request.read():
        raise SlackError("invalid_post_type")
    return args, False


async def _json_arguments(request: web.Request) -> Json:
    try:
        body = parse(await request.read())
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(body, dict):
        raise SlackError("json_not_object")
    return body


def decoded(args: Json) -> Json:
    """In a form, blocks and their like are JSON text; Slack reads that in a JSON body as well."""
    out = {name: value for name, value in args.items() if value is not None}
    for name in JSON_ARGUMENTS:
        value = out.get(name)
        if value == "":
            del out[name]
        elif isinstance(value, str):
            out[name] = _decoded(name, value)
    return out


def _decoded(name: str, value: str) -> Any:
    try:
        return parse(value)
    except ValueError:
        raise SlackError(FORMAT_ERRORS.get(name, f"invalid_{name}")) from None


def _authenticated(request: web.Request, argument: Any) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else argument
    if not isinstance(given, str) or not given:
        raise SlackError("not_authed")
    known = request.app[OPTIONS].slack_tokens
    if (known and given not in known) or not SLACK_TOKEN.fullmatch(given):
        raise SlackError("invalid_auth")
    return given


def _pace(request: web.Request, call: Call) -> None:
    if not request.app[OPTIONS].rate_limits:
        return
    wait = 0
    if call.method == "chat.postMessage":
        wait = request.app[POSTING].seconds_to_wait(call.channel().id)
    elif call.method == "chat.update":
        wait = request.app[UPDATING].seconds_to_wait(call.caller.bot_id)
    if wait:
        raise SlackError("ratelimited", status=429, retry_after=wait)


async def incoming_webhook(request: web.Request) -> web.Response:
    """Answers plain text, as Slack does; the channel is named after the webhook's bot part."""
    try:
        args = decoded(await _webhook_arguments(request))
        call = _call(request, "incoming webhook", {**args, "channel": args.get("channel", "webhooks")}, request.path)
        if request.app[OPTIONS].rate_limits:
            wait = request.app[POSTING].seconds_to_wait(call.channel().id)
            if wait:
                raise SlackError("ratelimited", status=429, retry_after=wait)
        slack_messages.post_message(call)
    except SlackError as error:
        refuse(request, "incoming webhook", error, {})
        status = {"channel_not_found": 404, "ratelimited": 429}.get(error.code, 400)
        return web.Response(text=error.code, status=status, headers=error.headers())
    _count(request, "incoming webhook")
    return web.Response(text="ok")


async def _webhook_arguments(request: web.Request) -> Json:
    if request.content_type == "application/x-www-form-urlencoded":
        payload = str((await request.post()).get("payload", ""))
    else:
        payload = (await request.read()).decode("utf-8", "replace")
    try:
        body = parse(payload)
    except ValueError:
        raise SlackError("invalid_payload") from None
    if not isinstance(body, dict):
        raise SlackError("invalid_payload")
    return body
