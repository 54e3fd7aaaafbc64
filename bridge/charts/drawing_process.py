"""The drawing process: one at a time, started when it is needed, killed when it hangs, ended when it is idle.

A thread would keep matplotlib's 50 MB for good, and the interpreter's lock from the loop that sends.
Invariant: draw() never raises for what happens to a picture; there is a picture or there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from bridge.core.charts.chart import Chart
from bridge.observability import logs

log = logs.get("pictures")
LENGTH = 8  # bytes before each message of either side, big-endian
DRAWN = b"\x00"  # before a PNG; anything else is before the text of a fault
LARGEST = 8 * 2**20  # bytes of an answer
#: The process gets these of the environment and no secret.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


class DrawingProcess:
    """Make it anywhere, use it inside one running loop; close() ends the process."""

    def __init__(self, *, timeout_seconds: float = 15.0, idle_seconds: float = 60.0) -> None:
        """timeout_seconds: for one picture, with the second or two of the process's start."""
        self._timeout, self._idle = timeout_seconds, idle_seconds
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._ending: list[Process] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def draw(self, chart: Chart) -> bytes | None:
        """The PNG; None when it could not be drawn in time, which the log explains."""
        async with self._lock:
            self._cancel_idle_timer()
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._drawn(chart)
            except TimeoutError:
                log.warning("picture_not_drawn", why=f"no answer within {self._timeout:.0f} s")
            except (OSError, EOFError, ValueError, pickle.PicklingError) as fault:
                log.warning("picture_not_drawn", why=f"{type(fault).__name__}: {fault}", hint=HINT)
            except asyncio.CancelledError:
                self._kill()
                raise
            finally:
                self._idle_timer = asyncio.get_running_loop().call_later(self._idle, self._kill)
            self._kill()
            return None

    async def close(self) -> None:
        async with self._lock:
            self._cancel_idle_timer()
            self._kill()
            for process in self._ending:
                await process.wait()
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None

    async def _drawn(self, chart: Chart) -> bytes | None:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        message = pickle.dumps(chart)
        process.stdin.write(len(message).to_bytes(LENGTH, "big") + message)
        await process.stdin.drain()
        size = int.from_bytes(await process.stdout.readexactly(LENGTH), "big")
        if not 0 < size <= LARGEST:
            raise ValueError(f"the drawing process announced {size} bytes")
        answer = await process.stdout.readexactly(size)
        if answer[:1] == DRAWN:
            return answer[1:]
        log.warning("picture_not_drawn", why=answer[1:].decode(errors="replace"))
        return None

    async def _start(self) -> Process:
        # matplotlib keeps its list of fonts there: built once, and not in a home directory
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="incident-bridge-")
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "MPLCONFIGDIR": self._folder.name,
            "OPENBLAS_NUM_THREADS": "1",
        }
        command = (sys.executable, "-P", "-m", "bridge.charts")
        return await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, limit=LARGEST
        )

    def _cancel_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _kill(self) -> None:
        """It has nothing to clean up."""
        process, self._process = self._process, None
        self._ending = [each for each in self._ending if each.returncode is None]
        if process is not None and process.returncode is None:
            self._ending.append(process)
            with contextlib.suppress(ProcessLookupError):
                process.kill()


HINT = "is matplotlib installed? `python -m bridge.charts < /dev/null` shows what is wrong"
