"""What the two kinds of process share: the settings in force, and how they are swapped."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from bridge.app.wiring import load_settings, policy_of
from bridge.config import ConfigurationFaults, Settings, secret_values
from bridge.core.errors import StoreUnavailable, StoreUnusable
from bridge.observability import logs
from bridge.observability.log_lines import chosen
from bridge.observability.metrics import Metrics
from bridge.store import Policy

log = logs.get("bridge")


class Configuration:
    """The settings in force. reload() takes the new ones, or keeps the old and returns the faults.

    process: web or worker, the label of its metrics. One for each process.
    """

    def __init__(self, path: Path, process: str) -> None:
        self._path = path
        self.settings = load_settings(path)
        self.policy = policy_of(self.settings)
        _configure_logs(self.settings)
        self.metrics = metrics_of(process)
        self.metrics.loaded(refused=False)

    def current_settings(self) -> Settings:
        return self.settings

    def current_policy(self) -> Policy:
        return self.policy

    def reload(self) -> list[str]:
        try:
            settings = load_settings(self._path)
        except ConfigurationFaults as faults:
            lines = [fault.render(str(self._path)) for fault in faults.faults]
            log.error("reload_refused", faults=lines)
            self.metrics.loaded(refused=True)
            return lines
        self.settings, self.policy = settings, policy_of(settings)
        _configure_logs(settings)
        self.metrics.loaded(refused=False)
        log.info("reloaded", digest=settings.digest)
        return []


def metrics_of(process: str) -> Metrics:
    """To be made once, before anything is measured. A folder that cannot be shared stops no process."""
    try:
        return Metrics.of_process(process)
    except OSError as fault:
        log.warning("metrics_not_shared", why=str(fault), instead="each process shows its own")
        return Metrics(process=process)


def _configure_logs(settings: Settings) -> None:
    """Raises ValueError for an unknown level or format in the environment."""
    level, style = chosen(os.environ, settings.log.level, settings.log.format)
    logs.configure(level, secret_values(settings), style)


def freeze_what_stays() -> None:
    """Once all is set up: each full garbage collection would scan it again, which is a tenth of a storm's CPU."""
    gc.collect()
    gc.freeze()


def settings_or_exit(path: Path) -> Settings:
    """For commands: the settings, or every fault on one screen and exit code 1."""
    try:
        return load_settings(path)
    except ConfigurationFaults as faults:
        raise SystemExit("\n".join(fault.render(str(path)) for fault in faults.faults)) from None


@contextlib.contextmanager
def explained(config: str) -> Iterator[None]:
    """Faults of set-up are printed, with exit code 2, after which the supervisor does not restart the process.

    A database that does not answer is exit code 1: it may, a moment later.
    """
    try:
        yield
    except ConfigurationFaults as faults:
        _exit_with("\n".join(each.render(config) for each in faults.faults), 2)
    except StoreUnavailable as fault:
        _exit_with(str(fault), 2 if isinstance(fault, StoreUnusable) else 1)
    except (ValueError, OSError) as fault:
        _exit_with(str(fault), 2)


def _exit_with(text: str, code: int) -> None:
    print(text, file=sys.stderr, flush=True)
    sys.exit(code)
