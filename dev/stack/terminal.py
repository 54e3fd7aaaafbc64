"""Terminal output: plain lines, and a moving one only on a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

FRAMES = "|/-\\"
CLEAR_LINE = "\r\x1b[K"


class Terminal:
    """Writes to one stream; a closed stream (a closed window) is ignored."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._moving = self._stream.isatty()

    def say(self, text: str = "") -> None:
        self._write(f"{text}\n")

    @contextmanager
    def step(self, name: str, address: str, began: float) -> Iterator[Callable[[], None]]:
        """Shows a step in progress since `began`, then that it is done. Call the yielded function to animate it."""
        yield lambda: self._move(name, time.monotonic() - began)
        self._write(CLEAR_LINE if self._moving else "")
        self.say(f"  ok  {name:<13} {address:<23} {time.monotonic() - began:4.1f} s")

    def _move(self, name: str, seconds: float) -> None:
        if self._moving:
            self._write(
                f"{CLEAR_LINE}  {FRAMES[int(seconds * 8) % len(FRAMES)]}   {name:<13} starting, {seconds:.0f} s"
            )

    def end_line(self) -> None:
        """Clears the moving line before a message that interrupts a step."""
        self._write(CLEAR_LINE if self._moving else "")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            pass
