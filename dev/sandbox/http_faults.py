"""Faults of the HTTP vendors: a middleware lets PagerDuty or Slack answer wrongly, late, or not at all."""

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from dev.sandbox.faults import Fault
from dev.sandbox.pagerduty import throttled
from dev.sandbox.slack_call import SlackError
from dev.sandbox.state import STATE
from dev.sandbox.wire import answer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TARGET_PATHS = {
    "/v2/": "pagerduty",
    "/api/": "slack",
    "/services/": "slack",
    "/upload/": "slack",
    "/webhook/": "webhook",
}


@web.middleware
async def inject_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    target = next((name for start, name in TARGET_PATHS.items() if request.path.startswith(start)), None)
    state = request.app[STATE]
    if not target or not state.faults.faults:
        return await handler(request)
    content = await request.read() if state.faults.want_content else b""
    fault = state.faults.due_for_request(target, request.path, content)
    if fault is None:
        return await handler(request)
    state.feed.touch("faults")
    return await _KINDS[fault.kind](fault, request, handler)


async def _status(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    await _process_if_asked(fault, request, handler)
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    if fault.status == 429 and fault.target == "pagerduty":
        return throttled(fault.retry_after)
    if fault.status == 429 and fault.target == "slack":
        error = SlackError("ratelimited", retry_after=fault.retry_after)
        return answer(error.body(), 429, error.headers())
    return web.Response(status=fault.status, headers=headers, text=f"<h1>{fault.status}</h1>", content_type="text/html")


async def _latency(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    await asyncio.sleep(fault.seconds)
    return await handler(request)


async def _reset(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    return _cut(request)


async def _accept_then_reset(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    await handler(request)
    return _cut(request)


async def _hang(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Until the caller gives up, the fault is cleared or its time is over; then the connection is cut."""
    await _process_if_asked(fault, request, handler)
    until = time.monotonic() + fault.seconds
    while request.transport is not None and not fault.cleared and time.monotonic() < until:
        await asyncio.sleep(0.02)
    return _cut(request)


async def _drip(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    whole = await handler(request)
    body = bytes(whole.body) if isinstance(whole, web.Response) and isinstance(whole.body, bytes) else b""
    slow = web.StreamResponse(status=whole.status, headers={"Content-Type": "application/json; charset=utf-8"})
    slow.content_length = len(body)
    await slow.prepare(request)
    with suppress(ConnectionResetError):  # the caller timed out
        for index in range(len(body)):
            await slow.write(body[index : index + 1])
            await asyncio.sleep(fault.seconds / len(body))
        await slow.write_eof()
    return slow


async def _continue(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Endless `100 Continue`: a client whose timeout restarts with each byte waits for ever."""
    await _process_if_asked(fault, request, handler)
    until = time.monotonic() + fault.seconds
    while isinstance(request.transport, asyncio.WriteTransport) and not fault.cleared and time.monotonic() < until:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.05)
    return _cut(request)


async def _endless(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """An endless body, as fast as it is read."""
    await _process_if_asked(fault, request, handler)
    until = time.monotonic() + fault.seconds
    flood = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
    await flood.prepare(request)
    with suppress(ConnectionError):  # the caller closed the connection
        while not fault.cleared and time.monotonic() < until:
            await flood.write(b" " * 65_536)
            await asyncio.sleep(0)
    return _cut(request)


async def _ok_false(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    await _process_if_asked(fault, request, handler)
    error = SlackError(fault.error, retry_after=fault.retry_after)
    return answer(error.body(), 200, error.headers())


async def _malformed(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    await _process_if_asked(fault, request, handler)
    status = 202 if fault.target == "pagerduty" else 200
    return web.Response(status=status, body=b'{"ok": tru', content_type="application/json")


async def _process_if_asked(fault: Fault, request: web.Request, handler: Handler) -> None:
    if fault.processed:
        await handler(request)


def _cut(request: web.Request) -> web.StreamResponse:
    """A real RST, as when a load balancer dies: linger 0, then abort."""
    if request.transport is not None:
        cut(request.transport)
    return web.Response(status=500)


def cut(transport: asyncio.BaseTransport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


_KINDS: dict[str, Callable[[Fault, web.Request, Handler], Awaitable[web.StreamResponse]]] = {
    "status": _status,
    "latency": _latency,
    "reset": _reset,
    "outage": _reset,
    "hang": _hang,
    "drip": _drip,
    "continue": _continue,
    "endless": _endless,
    "ok_false": _ok_false,
    "accept_then_reset": _accept_then_reset,
    "malformed": _malformed,
}
