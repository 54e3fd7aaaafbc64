#!/usr/bin/env python3
"""make-secrets: gives each service of the stack the files with its secrets, and no other's.

A secret is what the environment says; else what it was before; else random, so that nothing has a default password.
The real vendors' keys cannot be made up: with a vendor's own address they must be given.
"""

from __future__ import annotations

import os
import secrets
import string
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

#: secret -> the files that hold it, each in the folder of the service that reads it
PLACES = {
    "ALERTMANAGER_TOKEN": ("bridge/alertmanager_token", "alertmanager/alertmanager_token", "api/change_webhook_token"),
    "PAGERDUTY_ROUTING_KEY": (
        "bridge/pagerduty_routing_key",
        "alertmanager/pagerduty_routing_key",
        "sandbox/pagerduty_routing_key",
    ),
    "SLACK_BOT_TOKEN": ("bridge/slack_bot_token", "sandbox/slack_bot_token"),
    "BRIDGE_ADMIN_PASSWORD": ("bridge/bridge_admin_password",),
    "GRAFANA_ADMIN_PASSWORD": ("grafana/grafana_admin_password",),
    "POSTGRES_PASSWORD": ("postgres/postgres_password", "bridge/pgpassword"),
}
#: secret -> the variable with the address that it is sent to
VENDORS = {"PAGERDUTY_ROUTING_KEY": "PAGERDUTY_BASE_URL", "SLACK_BOT_TOKEN": "SLACK_BASE_URL"}
SANDBOX = "sandbox"
#: As the vendors' own look; the sandbox refuses others.
SHAPES: Mapping[str, Callable[[], str]] = {
    "PAGERDUTY_ROUTING_KEY": lambda: secrets.token_hex(16),
    "SLACK_BOT_TOKEN": lambda: f"xoxb-{_digits(12)}-{_digits(12)}-{secrets.token_hex(12)}",
}


def make(folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Write every file; return a line about each secret, without its value. Raises ValueError for what is missing."""
    missing = [name for name in VENDORS if _is_real(environment, name) and not environment.get(name)]
    if missing:
        addresses = ", ".join(f"{VENDORS[name]}={environment[VENDORS[name]]}" for name in missing)
        raise ValueError(f"{addresses} is a real vendor's, who knows no key that is made up: set {', '.join(missing)}.")
    return [_make_one(folder, name, environment.get(name, "").strip()) for name in PLACES]


def _is_real(environment: Mapping[str, str], name: str) -> bool:
    address = environment.get(VENDORS[name], "")
    return bool(address) and urlsplit(address).hostname != SANDBOX


def _make_one(folder: Path, name: str, given: str) -> str:
    files = [folder / place for place in PLACES[name]]
    before = next((file.read_text(encoding="utf-8") for file in files if file.is_file()), "")
    value = given or before or SHAPES.get(name, secrets.token_urlsafe)()
    for file in files:
        if not file.is_file() or file.read_text(encoding="utf-8") != value:
            _write(file, value)
    return f"{name}: {'given' if given else 'kept' if before else 'made up'}"


def _write(file: Path, value: str) -> None:
    """Readable for the owner and the group that the services share; replaced whole, so that no reader sees half."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="utf-8") as stream:
        stream.write(value)
        os.fchmod(stream.fileno(), 0o440)  # whatever the umask
    new.replace(file)


def _digits(count: int) -> str:
    return "".join(secrets.choice(string.digits) for _ in range(count))


def main() -> None:
    try:
        lines = make(Path(os.environ.get("SECRETS_FOLDER") or "/secrets"), os.environ)
    except (OSError, ValueError) as fault:
        sys.exit(f"make-secrets: {fault}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
