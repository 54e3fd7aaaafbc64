#!/usr/bin/env python3
"""with-login COMMAND...: runs it with a BRIDGE_CONFIG that has a login.

Outside of its own machine the bridge shows no page without a login (web.users), and the shipped routes.yaml has none,
for it cannot know a password. So it is copied with one user, `admin`, whose password is BRIDGE_ADMIN_PASSWORD; the copy
holds neither the password nor its hash. A file that has web.users of its own is used as it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from werkzeug.security import generate_password_hash

LOGIN = """
# Added when the container started, because this file has no web.users of its own.
web:
  users: {admin: "${BRIDGE_ADMIN_PASSWORD_HASH}"}
"""


def prepared(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment to run in. Raises ValueError, in words for an operator, when there can be no login."""
    file = Path(environment.get("BRIDGE_CONFIG") or "routes.yaml")
    text = file.read_text(encoding="utf-8")
    web = _web(text)
    if web is None or web.get("users"):
        return dict(environment)
    if web:
        raise ValueError(f'{file} has a `web` section without users: add users: {{NAME: "${{NAME_PASSWORD_HASH}}"}}.')
    password = environment.get("BRIDGE_ADMIN_PASSWORD")
    if not password:
        raise ValueError(f"{file} has no web.users, and there is no BRIDGE_ADMIN_PASSWORD to add one: give either.")
    copy = folder / file.name
    _write(copy, text + LOGIN)
    login = {"BRIDGE_CONFIG": str(copy), "BRIDGE_ADMIN_PASSWORD_HASH": generate_password_hash(password)}
    return {**{name: value for name, value in environment.items() if name != "BRIDGE_ADMIN_PASSWORD"}, **login}


def _write(copy: Path, text: str) -> None:
    """Private whatever the umask: it says who is notified of what."""
    copy.unlink(missing_ok=True)
    with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)


def _web(text: str) -> dict[str, Any] | None:
    """None when only `bridge` itself can say what is wrong with the file."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    web = document.get("web", {}) if isinstance(document, dict) else None
    return web if isinstance(web, dict) else None


def main() -> None:
    command = sys.argv[1:]
    if not command:
        sys.exit("with-login was given no command: write with-login COMMAND [ARGUMENT...].")
    try:
        environment = prepared(os.environ, Path(os.environ.get("BRIDGE_RUN_FOLDER") or "/run/bridge"))
        os.execvpe(command[0], command, environment)
    except (OSError, ValueError) as fault:
        sys.exit(f"with-login: {fault}")


if __name__ == "__main__":
    main()
