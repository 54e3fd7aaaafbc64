"""What the person at the terminal sees: calm lines, and movement only where a terminal can show it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

FRAMES = "|/-\\"
CLEAR_LINE = "\r\x1b[K"


class Terminal:
    """Writes to one stream; a stream that has gone (a closed window) is no reason to stop halfway."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._moving = self._stream.isatty()

    def say(self, text: str = "") -> None:
        self._write(f"{text}\n")

    @contextmanager
    def step(self, name: str, address: str, began: float) -> Iterator[Callable[[], None]]:
        """Says that something is under way since `began`, then that it is done. Call what it gives to move it."""
        yield lambda: self._move(name, time.monotonic() - began)
        self._write(CLEAR_LINE if self._moving else "")
        self.say(f"  ok  {name:<13} {address:<23} {time.monotonic() - began:4.1f} s")

    def _move(self, name: str, seconds: float) -> None:
        if self._moving:
            self._write(
                f"{CLEAR_LINE}  {FRAMES[int(seconds * 8) % len(FRAMES)]}   {name:<13} starting, {seconds:.0f} s"
            )

    def end_line(self) -> None:
        """Before a message that interrupts a step: the moving line must not stay in front of it."""
        self._write(CLEAR_LINE if self._moving else "")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            pass
