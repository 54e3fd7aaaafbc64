"""What the environment decides: every variable with its default, and every fault at once."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bert_api.model.versions import SHIPPED

FEWEST_THREADS = 64  # with fewer, more than 50 requests in flight could never be seen

T = TypeVar("T")


class SettingsError(Exception):
    """Its text names every variable that cannot be used, and what would do."""


@dataclass(frozen=True)
class Settings:
    """Durations in seconds, sizes in bytes. docs/bert-api.md explains each."""

    host: str = "127.0.0.1"
    port: int = 8100
    models: Path = SHIPPED
    model: Path | None = None
    state: Path = field(default_factory=lambda: default_state(os.environ))
    threads: int = 96
    queue: int = 80
    inference_threads: int = 2
    timeout_seconds: float = 10.0
    body_bytes: int = 262_144
    drain_seconds: float = 0.0
    drills: bool = False
    probe_token: str = field(default="", repr=False)
    probe_texts: int = 120
    git_sha: str = "unknown"
    webhook_url: str = ""
    webhook_token: str = field(default="", repr=False)


def default_state(environment: Mapping[str, str]) -> Path:
    """https://specifications.freedesktop.org/basedir-spec/: what a program remembers between runs."""
    home = environment.get("HOME") or "."  # a container's user may have none
    return Path(environment.get("XDG_STATE_HOME") or Path(home, ".local", "state"), "bert-api")


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError. An empty variable means its default."""
    read = _Reader(environment)
    host, port = read("BERT_API_LISTEN", _listen, (Settings.host, Settings.port))
    settings = Settings(
        host=host,
        port=port,
        models=read("BERT_API_MODELS", Path, Settings.models),
        model=read("BERT_API_MODEL", Path, Settings.model),
        state=read("BERT_API_STATE", Path, default_state(environment)),
        threads=read("BERT_API_THREADS", _number(int, FEWEST_THREADS, 1000), Settings.threads),
        queue=read("BERT_API_QUEUE", _number(int, 1, 10_000), Settings.queue),
        inference_threads=read("BERT_API_INFERENCE_THREADS", _number(int, 1, 64), Settings.inference_threads),
        timeout_seconds=read("BERT_API_TIMEOUT", _number(float, 0.1, 300), Settings.timeout_seconds),
        body_bytes=read("BERT_API_MAX_BODY", _number(int, 1024, 64 * 1024**2), Settings.body_bytes),
        drain_seconds=read("BERT_API_DRAIN", _number(float, 0, 300), Settings.drain_seconds),
        drills=read("BERT_API_DRILLS", _switch, Settings.drills),
        probe_token=read("BERT_API_PROBE_TOKEN", str, Settings.probe_token),
        probe_texts=read("BERT_API_PROBE_TEXTS", _number(int, 0, 100_000), Settings.probe_texts),
        git_sha=read("BERT_API_GIT_SHA", str, Settings.git_sha),
        webhook_url=read("CHANGE_WEBHOOK_URL", _http_address, Settings.webhook_url),
        webhook_token=read("CHANGE_WEBHOOK_TOKEN", str, Settings.webhook_token),
    )
    read.raise_faults()
    return settings


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._faults: list[str] = []

    def __call__(self, name: str, parse: Callable[[str], T], default: T) -> T:
        text = self._environment.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as fault:
            self._faults.append(f"{name}={text!r}: {fault}")
            return default

    def raise_faults(self) -> None:
        if self._faults:
            raise SettingsError("\n".join(self._faults))


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        address = str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        address = ""  # a name may stand for several addresses, and one socket has one
    if not (address and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("write ADDRESS:PORT, for instance 127.0.0.1:8100, 0.0.0.0:8100 or [::1]:8100")
    return address, int(port)


def _number(kind: Callable[[str], Any], least: float, most: float) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not least <= number <= most:
            raise ValueError(f"write a number from {least:g} to {most:g}")
        return number

    return parse


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("write 1 for on or 0 for off")
    return text == "1"


def _http_address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("write an address that begins with http:// or https://")
    return text
