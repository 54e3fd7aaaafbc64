"""Slack's three-step upload: ask for an address, send the bytes there, complete (and share)."""

from aiohttp import BodyPartReader, web

from dev.sandbox.conversations import File, Message
from dev.sandbox.credentials import stable_id
from dev.sandbox.slack_call import Call, SlackError
from dev.sandbox.slack_messages import parent_of
from dev.sandbox.state import STATE
from dev.sandbox.wire import Json

MAX_UPLOAD_BYTES = 20_000_000
IMAGES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


def add_upload(app: web.Application) -> None:
    app.router.add_post("/upload/v1/{file}", upload)
    app.router.add_get("/files/{file}", show)


def get_upload_url(call: Call) -> Json:
    name = call.required("filename")
    length = call.required("length") if isinstance(call.args.get("length"), str) else str(call.args.get("length"))
    if not length.isdigit() or not 0 < int(length) <= MAX_UPLOAD_BYTES:
        raise SlackError("invalid_arguments", messages=["[ERROR] length must be the file's size in bytes"])
    if len(call.text("alt_txt")) > 1000:
        raise SlackError("invalid_arguments", messages=["[ERROR] alt_txt must be less than 1001 characters"])
    file = File(stable_id("F", call.workspace.next_ts()), name, int(length))
    call.workspace.keep_file(file)
    return {"upload_url": f"{call.base_url}/upload/v1/{file.id}", "file_id": file.id}


async def upload(request: web.Request) -> web.Response:
    file = request.app[STATE].slack.files.get(request.match_info["file"])
    if file is None:
        return web.Response(status=404, text="file not found")
    content = await _sent_bytes(request)
    if len(content) != file.length:
        return web.Response(status=400, text=f"announced {file.length} bytes, received {len(content)}")
    file.content = content
    return web.Response(text=f"OK - {len(content)}")


async def _sent_bytes(request: web.Request) -> bytes:
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    part = await (await request.multipart()).next()
    return bytes(await part.read()) if isinstance(part, BodyPartReader) else b""


def complete_upload(call: Call) -> Json:
    files = [_uploaded(call, each) for each in call.objects("files", "invalid_arguments")]
    if not files:
        raise SlackError("invalid_arguments", messages=["[ERROR] missing required field: files"])
    if call.args.get("channel_id"):
        _share(call, files)
    for file in files:
        file.shared = True
    return {"files": [file.published() for file in files]}


def _uploaded(call: Call, entry: Json) -> File:
    file = call.workspace.files.get(str(entry.get("id")))
    if file is None or file.content is None:
        raise SlackError("file_not_found")
    file.title = str(entry.get("title") or file.name)
    return file


def _share(call: Call, files: list[File]) -> None:
    channel = call.channel("channel_id", by_id=True)
    parent = parent_of(call, channel)
    message = Message(
        ts=call.workspace.next_ts(), channel=channel.id, bot_id=call.caller.bot_id, user=call.caller.user_id,
        text=call.text("initial_comment"), files=[file.published() for file in files],
        thread_ts=parent.ts if parent else None,
    )  # fmt: skip
    call.workspace.post(channel, message, parent)


def info(call: Call) -> Json:
    file = call.workspace.files.get(call.text("file"))
    if file is None:
        raise SlackError("file_not_found")
    kind = picture_type(file.content or b"") if file.shared else None
    return {"file": {**file.published(), "mimetype": kind or ""}}


async def show(request: web.Request) -> web.Response:
    """Images only, recognised by their first bytes: nothing that was uploaded may run on the page."""
    file = request.app[STATE].slack.files.get(request.match_info["file"])
    kind = picture_type(file.content) if file and file.content else None
    if file is None or kind is None:
        return web.Response(status=404, text="no such image")
    return web.Response(body=file.content, content_type=kind)


def picture_type(content: bytes) -> str | None:
    return next((kind for start, kind in IMAGES.items() if content.startswith(start)), None)
