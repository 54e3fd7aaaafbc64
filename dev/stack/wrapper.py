""".run/bridge: the bridge's own commands, on the configuration, database and environment of this run."""

import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from dev.stack.places import ROOT, ROUTES, Places
from dev.stack.ports import Ports

_SCRIPT = """\
#!/bin/sh
# Written by `make up`, for `.run/bridge incidents list` and the like. Secrets are in the file that it reads.
set -a
. {environment}
set +a
exec {python} -m bridge "$@"
"""


def write(places: Places, ports: Ports, environment: Mapping[str, str]) -> None:
    """environment: that of the bridge's process; only what routes.yaml names is kept."""
    _private(places.bridge_environment, _assignments(places, ports, environment), 0o600)
    script = _SCRIPT.format(environment=shlex.quote(str(places.bridge_environment)), python=shlex.quote(sys.executable))
    _private(places.wrapper, script, 0o700)


def shown(places: Places) -> str:
    """The command to type in the checkout."""
    inside = places.wrapper.is_relative_to(ROOT)
    return shlex.quote(str(places.wrapper.relative_to(ROOT) if inside else places.wrapper))


def _assignments(places: Places, ports: Ports, environment: Mapping[str, str]) -> str:
    named = sorted(set(re.findall(r"\$\{([A-Za-z_][A-Za-z0-9_]*)", ROUTES.read_text(encoding="utf-8"))))
    own = {
        "BRIDGE_CONFIG": str(ROUTES),
        "BRIDGE_DATABASE_URL": f"sqlite:///{places.database}",
        "BRIDGE_LISTEN": f"127.0.0.1:{ports.bridge}",
        "PYTHONPATH": str(ROOT),
    }
    chosen = {name: environment[name] for name in named if name in environment} | own
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in chosen.items())


def _private(file: Path, text: str, mode: int) -> None:
    """Created private: between a write and a later chmod any user could read it."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as stream:
        stream.write(text)
        os.fchmod(stream.fileno(), mode)
