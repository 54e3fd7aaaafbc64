"""A free port belongs to no other: not another run's, and not a client's."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from subprocess import PIPE, Popen

import pytest

from dev.stack import free_port as choosing
from dev.stack.errors import StackError
from dev.stack.free_port import free_port
from dev.stack.places import ROOT

#: Asks for ten of those in its arguments, and keeps them until it reads a line.
ASK = """
import sys
from dev.stack import free_port as choosing
choosing._outside = lambda *_: [int(word) for word in sys.argv[1:]]
print(*(choosing.free_port() for _ in range(10)), flush=True)
input()
"""


def test_no_port_is_one_that_the_kernel_gives_to_a_client() -> None:
    first, last = choosing._kernels_range()
    assert not [port for port in (free_port() for _ in range(20)) if first <= port <= last]


def test_no_two_are_the_same_for_any_process_at_any_time() -> None:
    mine = [free_port() for _ in range(40)]
    choice = [str(port) for port in [*mine, *range(min(mine) + 1, min(mine) + 60)]]
    words = [sys.executable, "-c", ASK, *choice]
    with ExitStack() as others:
        runs = [others.enter_context(Popen(words, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True)) for _ in range(3)]
        theirs = [int(word) for run in runs if run.stdout for word in run.stdout.readline().split()]
        for run in runs:
            run.communicate("\n")
    assert len(theirs) == len(set(theirs) - set(mine)) == 30


def test_a_reserved_port_is_not_given_again_though_no_process_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(choosing, "_outside", lambda *_: range(port, port + 1))
    with pytest.raises(StackError, match="No free port was found"):
        free_port()


@pytest.mark.parametrize(
    ("kernels", "expected"),
    [
        ((32_768, 60_999), range(10_240, 32_768)),
        ((1024, 40_000), range(40_001, 65_536)),
        ((1024, 65_535), range(10_240, 65_536)),
    ],
    ids=["usual", "low", "everything"],
)
def test_the_larger_part_beside_the_kernels_range_is_chosen_from(kernels: tuple[int, int], expected: range) -> None:
    assert choosing._outside(*kernels) == expected
