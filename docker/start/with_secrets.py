#!/usr/bin/env python3
"""with-secrets COMMAND...: runs it with every file of a folder as an environment variable of that name.

routes.yaml and the sandbox read their secrets from the environment; the environment of a container's definition is
what `docker inspect` shows to every user, and its files are not. A variable that has a value already is left alone.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Mapping
from pathlib import Path


def merged(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """`pagerduty_routing_key` becomes PAGERDUTY_ROUTING_KEY. A folder that is missing has no files."""
    files = sorted(file for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
    read = {file.name.upper(): secret_of(file) for file in files}
    return {**read, **{name: value for name, value in environment.items() if value or name not in read}}


def secret_of(file: Path) -> str:
    """As the bridge reads it: a byte order mark is no part of it."""
    content = file.read_bytes()
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if marked else "utf-8").strip().removeprefix("\ufeff").strip()
    except UnicodeDecodeError:
        raise OSError(f"{file.name} is not UTF-8 text") from None


def main() -> None:
    command = sys.argv[1:]
    if not command:
        sys.exit("with-secrets was given no command: write with-secrets COMMAND [ARGUMENT...].")
    folder = Path(os.environ.get("SECRETS_FOLDER") or "/run/secrets")
    try:
        environment = merged(folder, os.environ)
        os.execvpe(command[0], command, environment)
    except OSError as fault:
        sys.exit(f"with-secrets: {fault}. The files of {folder} must be readable, and {command[0]} must exist.")


if __name__ == "__main__":
    main()
