"""The first start of the halves: what both need is imported once, and its memory is shared.

Then `bridge serve` is replaced by the supervisor alone: its own copy of all this would be a third. For Python writes to
whatever it uses, as each object has the count of its references beside it, and a page that was written to is copied.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NoReturn

from bridge.app import supervisor
from bridge.app.supervisor import CANNOT_RUN, METRICS, STATE, log
from bridge.processes.forking import block_signals, fork, open_standard_files
from bridge.processes.importing import without_collections
from bridge.processes.lifeline import VARIABLE
from bridge.processes.shared_folder import SharedFolder
from bridge.processes.titles import set_title

#: What the arguments of `bridge` do.
Command = Callable[[Sequence[str]], object]
#: Of a child: its pid, and the supervisor's end of its line.
Started = tuple[int, socket.socket]


def serve(config: str, database: str, listen: str, hang_seconds: float, workers: int, run: Command) -> int:
    """Supervise both halves. run: what the arguments of `bridge` do, as the halves are forked at first.

    The database travels in the environment: every user of the machine can read the arguments of a process.
    """
    block_signals()
    open_standard_files()
    # BRIDGE_CONFIG: its part on the log is looked up there for each line of ours
    os.environ.update({"BRIDGE_CONFIG": config, "BRIDGE_DATABASE_URL": database})
    web = ["web", "--config", config, "--listen", listen, "--reload-parent"]
    names = ["worker", *(f"worker-{number}" for number in range(2, workers + 1))]
    halves = {"web": web, **{name: ["worker", "--config", config] for name in names}}
    try:
        folder = SharedFolder.make()
    except OSError as fault:
        hint = "name a folder for temporary files in TMPDIR; under systemd, PrivateTmp=yes makes one"
        print(f"bridge serve cannot start: {fault}; {hint}", file=sys.stderr, flush=True)
        return CANNOT_RUN
    os.environ[METRICS] = str(folder.path)
    return _hand_over(halves, hang_seconds, folder, start(halves, run))


def _hand_over(
    halves: Mapping[str, Sequence[str]], hang_seconds: float, folder: SharedFolder, started: Mapping[str, Started]
) -> NoReturn:
    """The same process, with the same children, open files and blocked signals, goes on in supervisor.main()."""
    for name, (pid, _) in started.items():
        log("info", "started", process=name, pid=pid)
    running = {name: (pid, line.fileno()) for name, (pid, line) in started.items()}
    for inherited in (folder.lock, *(number for _, number in running.values())):
        os.set_inheritable(inherited, True)
    if not _imports_from_here():  # nor does what takes its place: anything may be there, even of another user
        os.environ["PYTHONSAFEPATH"] = "1"
    os.environ[STATE] = json.dumps([halves, hang_seconds, str(folder.path), folder.lock, running])
    os.execv(sys.executable, [sys.executable, "-m", supervisor.__name__, "serve"])


def _imports_from_here() -> bool:
    """Whether this interpreter does from the working directory: `bridge` does not, `python -m bridge` does."""
    try:
        return bool({"", os.getcwd()} & set(sys.path))
    except OSError:  # it was removed
        return True


def start(halves: Mapping[str, Sequence[str]], run: Command) -> dict[str, Started]:
    """By name, of the halves' arguments; without those that could not be forked, which the supervisor then starts.

    On Linux alone: elsewhere a library of the system may not bear it (macOS's, which is asked for proxies).
    """
    if sys.platform != "linux":
        return {}
    _import_what_both_need()
    started: dict[str, Started] = {}
    for name, arguments in halves.items():
        ours, theirs = socket.socketpair()
        foreign = [ours, *(line for _, line in started.values())]
        try:
            started[name] = fork(partial(_become, arguments, run, theirs, foreign)), ours
        except OSError:
            ours.close()
        theirs.close()
    return started


def _import_what_both_need() -> None:
    """What only one needs it imports itself, while the other does the same on another core."""
    with without_collections():
        importlib.import_module("bridge.app.reload")
        importlib.import_module("bridge.app.settings").prepare()


def _become(arguments: Sequence[str], run: Command, line: socket.socket, foreign: Sequence[socket.socket]) -> None:
    """foreign: the supervisor's ends of lines; with a copy of one, a half would not see that the supervisor ended."""
    for each in foreign:
        each.close()
    os.environ[VARIABLE] = str(line.detach())
    set_title(["bridge", *arguments])
    run(arguments)
