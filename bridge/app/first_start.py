"""The first start of the halves: what both need is imported once, and its memory is shared.

Then `bridge serve` is replaced by the supervisor alone: its own copy of all this would be a third. For Python writes to
whatever it uses, as each object has the count of its references beside it, and a page that was written to is copied.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from bridge.processes.forking import fork
from bridge.processes.importing import without_collections
from bridge.processes.lifeline import VARIABLE
from bridge.processes.titles import set_title

#: What the arguments of `bridge` do.
Command = Callable[[Sequence[str]], object]
#: Of a child: its pid, and the supervisor's end of its line.
Started = tuple[int, socket.socket]


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
