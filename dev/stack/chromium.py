"""A headless Chromium: that of .tools/npm, else the one on PATH."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from dev.stack.errors import StackError
from dev.stack.places import TOOLS

UNPACKED = TOOLS / "npm" / "chromium"
ADVICE = "There is no Chromium: run `make .tools/.npm`, or put one on PATH."
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>"""


@contextmanager
def chromium(scratch: Path, *, own_fonts: bool) -> Iterator[Browser]:
    """own_fonts: those of its package alone, so that texts are as wide on every machine; they have no emoji.

    scratch: an empty folder, for its fonts. Raises StackError.
    """
    program = UNPACKED / "chromium" if UNPACKED.is_dir() else Path(shutil.which("chromium") or "")
    if not program.is_file():
        raise StackError(ADVICE)
    with sync_playwright() as playwright:
        environment = _environment(scratch, own_fonts)
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"], env=environment)
        yield browser
        browser.close()


def _environment(scratch: Path, own_fonts: bool) -> dict[str, str | float | bool]:
    if not UNPACKED.is_dir():
        return dict(os.environ)
    found: dict[str, str | float | bool] = {**os.environ, "LD_LIBRARY_PATH": str(UNPACKED / "lib")}
    if own_fonts:
        config = scratch / "fonts.conf"
        config.write_text(FONTS.format(fonts=UNPACKED / "fonts", cache=scratch / "fonts-cache"))
        found["FONTCONFIG_FILE"] = str(config)
    return found
