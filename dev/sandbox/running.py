"""A sandbox in a background thread, for tests: `with running_sandbox() as sandbox: ...`."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dev.sandbox.options import Options
from dev.sandbox.serving import Serving, serving
from dev.sandbox.wire import Json, parse, text_of

Result = TypeVar("Result")
START_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class RunningSandbox:
    _loop: asyncio.AbstractEventLoop
    _serving: Serving

    @property
    def http_url(self) -> str:
        """Also PagerDuty's base_url."""
        return f"http://{self._serving.http_address}"

    @property
    def slack_base_url(self) -> str:
        return f"{self.http_url}/api/"

    @property
    def webhook_url(self) -> str:
        return f"{self.http_url}/webhook/ml"

    @property
    def smtp_address(self) -> str:
        return self._serving.smtp_address

    def environment(self, token: str) -> dict[str, str]:
        """The variables with which a bridge on the shipped routes.yaml sends everything here, and asks no one else.

        token: of the Alertmanager that may send.
        """
        nothing_listens = "http://127.0.0.1:9"
        return {
            "PAGERDUTY_ROUTING_KEY": secrets.token_hex(16),
            "SLACK_BOT_TOKEN": f"xoxb-{secrets.token_hex(12)}",
            "ALERTMANAGER_TOKEN": token,
            "PAGERDUTY_BASE_URL": self.http_url,
            "SLACK_BASE_URL": self.slack_base_url,
            "SMTP_SMARTHOST": self.smtp_address,
            "SMTP_TLS": "none",
            "PROMETHEUS_URL": nothing_listens,
            "ALERTMANAGER_URL": nothing_listens,
        }

    @property
    def state(self) -> Json:
        """What GET /state answers, just now."""
        snapshot: Json = parse(self._in_loop(lambda: text_of(self._serving.state.snapshot())))
        return snapshot

    @property
    def summary(self) -> Json:
        return self._in_loop(self._serving.state.summary)

    def raw_mail(self, number: int) -> bytes:
        return self._in_loop(lambda: self._serving.state.mail.mails[number].raw)

    def fault(self, **fields: Any) -> Json:
        """`fault(target="slack", kind="status", status=503, count=2)`; without a count, until cleared."""
        return self._in_loop(lambda: self._add_fault(fields))

    def clear_faults(self, target: str | None = None) -> None:
        self._in_loop(lambda: self._serving.state.faults.clear(target))

    def reset(self) -> None:
        """Deletes what was received; faults stay."""
        self._in_loop(self._serving.state.reset)

    def _add_fault(self, fields: Json) -> Json:
        state = self._serving.state
        state.faults.add(fields)
        state.feed.touch("faults")
        return state.faults.snapshot()[-1]

    def _in_loop(self, work: Callable[[], Result]) -> Result:
        async def run() -> Result:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(60)


@dataclass
class _Start:
    """How the background thread reports to the test that it listens, or why it does not."""

    done: threading.Event = field(default_factory=threading.Event)
    sandbox: RunningSandbox | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    error: BaseException | None = None


@contextmanager
def running_sandbox(**options: Any) -> Iterator[RunningSandbox]:
    """`options` are the fields of sandbox.options.Options; both addresses default to free ports."""
    start = _Start()
    chosen = Options(**options)
    thread = threading.Thread(target=lambda: asyncio.run(_serve(chosen, start)), name="sandbox", daemon=True)
    thread.start()
    started = start.done.wait(START_TIMEOUT_SECONDS)
    if start.sandbox is None:
        raise RuntimeError(f"the sandbox did not start: {start.error}") from start.error
    try:
        yield start.sandbox
    finally:
        if started:
            start.sandbox._loop.call_soon_threadsafe(start.stop.set)
        thread.join(10)


async def _serve(options: Options, start: _Start) -> None:
    try:
        async with serving(options) as listening:
            start.sandbox = RunningSandbox(asyncio.get_running_loop(), listening)
            start.done.set()
            await start.stop.wait()
    except (OSError, ValueError) as error:
        start.error = error
        start.done.set()
