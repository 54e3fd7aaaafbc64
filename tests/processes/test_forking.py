"""A forked child ends as a process of its own would, whatever its parent was about to do.

Each runs in a new interpreter: that of the tests may have threads.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

FORKED = """
import signal, sys
from bridge.processes.forking import Forked, block_signals, fork, handle_signals

def fail():
    raise KeyError("broken")

def half():
    {half}

block_signals()
try:
    child = Forked(fork(half))
finally:
    print("cleaned up", flush=True)
handle_signals()
{then}
print(child.wait(60), child.poll(), flush=True)
"""


def run(half: str, then: str = "") -> subprocess.CompletedProcess[str]:
    program = FORKED.format(half=half, then=then)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.parametrize(
    ("half", "code", "words"),
    [
        ("pass", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(0)", 0, ""),
        ("sys.exit(2)", 2, ""),
        ("sys.exit('it cannot listen')", 1, "it cannot listen\n"),
        ("fail()", 1, "KeyError: 'broken'\n"),
    ],
)
def test_it_ends_with_the_exit_code_and_words_of_an_interpreter(half: str, code: int, words: str) -> None:
    done = run(half)
    assert done.stdout == f"cleaned up\n{code} {code}\n"  # once: the child has no part in that
    assert done.stderr.endswith(words) and ("Traceback" in done.stderr) == (half == "fail()")


def test_what_it_printed_is_written_before_it_ends() -> None:
    assert "of the child" in run("print('of the child')").stdout


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_signal_ends_it_however_early_it_comes(name: str) -> None:
    done = run("import time; time.sleep(60)", f"child.send_signal(signal.{name})")
    assert done.stdout.splitlines()[1] in ("-15 -15", "-1 -1", "-9 -9")


def test_it_has_a_process_group_of_its_own() -> None:
    assert "True" in run("import os; print(os.getpgid(0) == os.getpid())").stdout


def test_waiting_has_a_limit() -> None:
    then = """
import subprocess
try:
    child.wait(0.1)
except subprocess.TimeoutExpired:
    print("still running")
child.kill()
"""
    assert run("import time; time.sleep(60)", then).stdout.splitlines()[1:] == ["still running", "-9 -9"]


def test_an_exit_code_that_something_else_took_is_no_fault() -> None:
    then = """
import os
os.waitpid(child.pid, 0)
"""
    assert run("sys.exit(3)", then).stdout.splitlines()[1] == "0 0"


def test_exit_codes_are_kept_where_the_parent_was_started_without_them() -> None:
    program = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n" + FORKED
    program = program.format(half="sys.exit(2)", then="")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "cleaned up\n2 2\n"
