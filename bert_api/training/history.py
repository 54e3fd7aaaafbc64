"""The record of retraining runs: JSON lines, only ever appended to. The API reads it when it is scraped.

Invariant: a line is on the disk before a run goes on, and a line torn by a crash is skipped, never the end of the
reading.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

Trigger = Literal["manual", "drift", "schedule"]
RunStatus = Literal["running", "succeeded", "rejected", "failed"]
FILE = "retraining.jsonl"


@dataclass(frozen=True)
class Run:
    """One retraining. Times are epoch seconds. `running` also is what a run killed in the middle stays at."""

    run: str
    model: str
    trigger: str
    started_at: float
    finished_at: float | None = None
    status: RunStatus = "running"
    version: str | None = None
    detail: str = ""


class RunHistory:
    """state: the same folder that Versions writes to."""

    def __init__(self, state: Path) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self._path = state / FILE

    def started(self, model: str, trigger: Trigger, at: float) -> str:
        """Returns the run's name, which `finished` wants."""
        run = uuid.uuid4().hex
        self._append({"event": "started", "run": run, "model": model, "trigger": trigger, "at": at})
        return run

    def finished(self, run: str, at: float, status: RunStatus, version: str | None = None, detail: str = "") -> None:
        """version: the one that was written, if any. detail: why, for users; without any user's text."""
        self._append(
            {"event": "finished", "run": run, "at": at, "status": status, "version": version, "detail": detail[:500]}
        )

    def read(self) -> list[Run]:
        """In the order of their start."""
        runs: dict[str, Run] = {}
        for event in self._events():
            if event["event"] == "started":
                runs[event["run"]] = Run(event["run"], event["model"], event["trigger"], event["at"])
            elif event["run"] in runs:
                runs[event["run"]] = _finish(runs[event["run"]], event)
        return list(runs.values())

    def _events(self) -> list[dict[str, Any]]:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [event for line in lines if (event := _parse(line)) is not None]

    def _append(self, event: dict[str, Any]) -> None:
        """The leading newline ends whatever a crash left unfinished, so a torn line never swallows the next one."""
        line = "\n" + json.dumps(event) + "\n"
        with self._path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())


def _finish(run: Run, event: dict[str, Any]) -> Run:
    return replace(
        run,
        finished_at=event["at"],
        status=event["status"],
        version=event.get("version"),
        detail=event.get("detail", ""),
    )


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and {"event", "run", "at"} <= event.keys() else None
