"""On what was measured: a figure without its machine says nothing."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dev.stack.binaries import find, working_folder
from dev.stack.errors import StackError

BUSY = 1.0  #: load average from which on the figures are those of a shared machine
SYNCS = 50


def machine() -> dict[str, Any]:
    """As it is before the measurement begins."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "alertmanager": alertmanager_version(),
        "fdatasync_ms": round(fdatasync_ms(), 2),
        "load": round(os.getloadavg()[0], 1),
    }


def described(known: dict[str, Any]) -> str:
    """Two sentences of docs/performance.md."""
    text = (
        f"{known['date']}: {known['cores']} cores of {known['cpu']}, Linux {known['kernel']}, "
        f"Python {known['python']}, Alertmanager {known['alertmanager']}; "
        f"an fdatasync takes {known['fdatasync_ms']} ms (median). "
    )
    if known["load"] > BUSY:
        return text + f"**The load average was {known['load']} before it began: others worked on the same cores.**"
    return text + f"The load average was {known['load']} before it began."


def cpu_model(cpuinfo: str) -> str:
    found = re.search(r"^model name\s*: *(.+?) *$", cpuinfo, re.MULTILINE)
    return found[1] if found else platform.machine()


def alertmanager_version() -> str:
    """ "none" where it is not installed."""
    try:
        binary = find("alertmanager")
    except StackError:
        return "none"
    asked = subprocess.run(
        [binary, "--version"], cwd=working_folder(binary), capture_output=True, text=True, check=False
    )
    found = re.search(r"version (\S+)", asked.stdout + asked.stderr)
    return found[1] if found else "unknown"


def fdatasync_ms() -> float:
    """Of four kilobytes that are appended where the databases of the measurements lie."""
    took = []
    with tempfile.NamedTemporaryFile(prefix="bench-") as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000
