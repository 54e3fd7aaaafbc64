"""The run before: refused when it lives, tidied up after when it was stopped hard; never a stranger's process."""

import json
import os
import subprocess
import time
from collections.abc import Callable

import pytest

from dev.stack import earlier, proc
from dev.stack.errors import StackError
from dev.stack.places import Places

Start = Callable[..., subprocess.Popen[bytes]]
SLEEP = "import time; print('up', flush=True); time.sleep(60)"
# ends at once, and leaves a child that says the same and sleeps
ORPHANING = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}])"


def up(child: subprocess.Popen[bytes]) -> int:
    assert child.stdout and child.stdout.readline() == b"up\n"
    return child.pid


def test_a_second_run_is_refused_with_the_pid(places: Places) -> None:
    with earlier.hold_lock(places), pytest.raises(StackError, match=f"still running here .pid {os.getpid()}"):
        earlier.hold_lock(places)


def test_after_the_end_the_next_may_begin(places: Places) -> None:
    earlier.hold_lock(places).close()
    earlier.hold_lock(places).close()


def test_what_a_hard_stopped_run_left_is_ended(places: Places, start: Start) -> None:
    child = start(SLEEP, places.run)
    earlier.record(places, [("bridge", up(child))])
    assert earlier.end_left_overs(places) == ["bridge"]
    assert child.wait(timeout=300) == -15
    assert not places.pids.exists()


def test_a_child_of_a_dead_child_is_ended_too(places: Places, start: Start) -> None:
    recorded = f"import os, time\nwhile not os.path.exists({str(places.pids)!r}): time.sleep(0.01)\n"
    leader = start(recorded + ORPHANING, places.run)
    earlier.record(places, [("bridge", leader.pid)])
    leader.wait(timeout=300)
    assert leader.stdout and leader.stdout.readline() == b"up\n"
    assert earlier.end_left_overs(places) == ["bridge"]
    assert proc.session_members(leader.pid, places.run) == []


def test_who_does_not_listen_is_killed(places: Places, start: Start) -> None:
    child = start(f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SLEEP}", places.run)
    earlier.record(places, [("bridge", up(child))])
    earlier.end_left_overs(places, grace=0.3)
    assert child.wait(timeout=300) == -9


@pytest.mark.parametrize("stranger", ["unmarked", "of another folder", "later under the same pid"])
def test_a_strangers_process_under_a_recorded_pid_is_left_alone(places: Places, start: Start, stranger: str) -> None:
    mark = {"unmarked": None, "of another folder": places.run / "else"}.get(stranger, places.run)
    child = start(SLEEP, mark)
    earlier.record(places, [("bridge", up(child))])
    if stranger == "later under the same pid":
        entries = json.loads(places.pids.read_text())
        places.pids.write_text(json.dumps([{**entry, "started": entry["started"] - 1} for entry in entries]))
    assert earlier.end_left_overs(places) == []
    time.sleep(0.1)
    assert child.poll() is None


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"pid": 1}]', "not json"])
def test_an_unreadable_pid_file_is_passed_over(places: Places, text: str) -> None:
    places.pids.write_text(text)
    assert earlier.end_left_overs(places) == []


def test_a_name_with_spaces_and_brackets_does_not_confuse_the_reading_of_proc(start: Start) -> None:
    child = start(f"open('/proc/self/comm', 'w').write('a) R 1 (b')\n{SLEEP}")
    seen = proc.look(up(child))
    assert seen and seen.session == child.pid
