"""How long it takes until something is there: a process that starts, its first page, a command's answer.

With the files in memory and without ("cold"), as after a boot. What the benchmark itself has mapped (Python, some
libraries) stays in memory, so a real boot takes longer.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path

import uvloop

from dev.bench import configs, load
from dev.bench.machines import BRIDGE, ROOT, SYSTEMS, Sinks, System, routes_file, running_bridge, running_sinks
from dev.bench.measuring import Figures, Size
from dev.bench.usage import family
from dev.stack.binaries import find, working_folder

FIRST = 9_000_000  #: number of the first page's group
RESTARTS = 3
_LIBRARIES = ("stdlib", "purelib")
_CODE = (".py", ".pyc", ".so")


def start(name: str, size: Size) -> Figures:
    """Both from the start of the process on. A page is posted as soon as it is ready."""
    with running_sinks() as sinks:
        warm = _start(name, sinks, FIRST)
        forget_files(name)
        cold = _start(name, sinks, FIRST + 1)
    return warm | {f"{key}, cold": value for key, value in cold.items()}


def _start(name: str, sinks: Sinks, page: int) -> Figures:
    began = time.monotonic()
    with SYSTEMS[name](sinks) as system:
        return {"ready s": time.monotonic() - began, "first page s": _first_page(system, sinks, page) - began}


def _first_page(system: System, sinks: Sinks, page: int) -> float:
    uvloop.run(load.hammer(system.urls, system.post, [[page]], clients=1))
    while str(page) not in (arrived := sinks.ask("everything")["arrivals"].get("pagerduty", {})):
        time.sleep(0.02)
    return float(arrived[str(page)][0])


def commands(name: str, size: Size) -> Figures:
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        config = routes_file(folder, Sinks(1, 1))
        for what, rest in {"--help": ["--help"], "route": ["route", "--config", config, "severity=critical"]}.items():
            figures[f"{what} s"] = _ran(rest)
            forget_files(name)
            figures[f"{what} s, cold"] = _ran(rest)
    return figures


def _ran(arguments: list[str]) -> float:
    began = time.monotonic()
    environment = {**os.environ, **configs.environment()}
    subprocess.run([*BRIDGE, *arguments], check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def recovery(name: str, size: Size) -> list[Figures]:
    """Started again after kill -9 in an outage of all vendors, when so many incidents wait; they are back by then."""
    with running_sinks() as sinks, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sinks.ask("down")
        with running_bridge(sinks, folder=folder) as system:
            batches = load.in_batches(range(size.waiting), 1)
            uvloop.run(load.hammer(system.urls, system.post, batches))
            kill(system.pid)
        return [_recovered(sinks, folder) for _ in range(RESTARTS)]


def _recovered(sinks: Sinks, folder: str) -> Figures:
    before = len(sinks.ask("everything")["arrivals"].get("pagerduty", {}))
    sinks.ask("up")
    began = time.monotonic()
    with running_bridge(sinks, folder=folder) as system:
        ready = time.monotonic() - began
        while len(arrived := sinks.ask("everything")["arrivals"].get("pagerduty", {})) <= before:
            time.sleep(0.02)
        sinks.ask("down")
        kill(system.pid)
    firsts = sorted(first for first, _ in arrived.values())
    return {"ready s": ready, "first page s": firsts[before] - began}


def kill(root: int) -> None:
    """As `kill -9` of all its processes."""
    for pid in family(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def forget_files(name: str) -> None:
    """Take the code of the system out of the kernel's memory; only what no process has mapped goes."""
    for place in _files(name):
        with contextlib.suppress(OSError):
            descriptor = os.open(place, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


@functools.cache
def _files(name: str) -> list[Path]:
    if name == "alertmanager":
        binary = find("alertmanager")
        return [binary, *working_folder(binary).glob("lib/**/*.so*")]
    folders = [ROOT / "bridge", *(Path(sysconfig.get_path(each)) for each in _LIBRARIES)]
    every = (Path(folder, file) for top in folders for folder, _, files in os.walk(top) for file in files)
    return [file for file in every if file.suffix in _CODE]
