"""Starts the HTTP and the mail side on one event loop, and stops both cleanly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from dev.sandbox.app import create_app
from dev.sandbox.options import Options, host_and_port
from dev.sandbox.smtp import MailServer
from dev.sandbox.state import State


@dataclass(frozen=True)
class Serving:
    state: State
    http_address: str
    smtp_address: str


@asynccontextmanager
async def serving(options: Options) -> AsyncIterator[Serving]:
    state = State(options.history)
    runner = web.AppRunner(create_app(state, options), access_log=None, shutdown_timeout=1.0)
    mail = MailServer(state, options)
    await runner.setup()
    try:
        http_address = await _listen(runner, options.http)
        host, port = host_and_port(options.smtp)
        yield Serving(state, http_address, f"{host}:{await mail.listen(host, port)}")
    finally:
        state.faults.clear()  # lets go of the requests that hang
        state.feed.close()
        await mail.close()
        await runner.cleanup()


async def _listen(runner: web.AppRunner, address: str) -> str:
    host, port = host_and_port(address)
    await web.TCPSite(runner, host, port, backlog=1024).start()
    return f"{host}:{runner.addresses[0][1]}"
