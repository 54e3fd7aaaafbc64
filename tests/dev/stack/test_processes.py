"""Children: early death, readiness, restarts with backoff, and their end."""

import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.stack import proc
from dev.stack.errors import StackError
from dev.stack.places import ROOT, Places
from dev.stack.processes import Process, answers, backoff, end_all, status, tail, wait_until_ready
from dev.stack.services import Service

Maker = Callable[..., Process]
SLEEP = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"
WITH_CHILD = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"


@pytest.fixture
def server() -> Iterator[str]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ready" else 503)
            self.end_headers()

        def log_message(self, *words: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "did not happen within 300 s"
        time.sleep(0.02)


def members(one: Process, places: Places) -> list[proc.Seen]:
    assert one.pid
    return proc.session_members(one.pid, places.run)


def test_only_200_is_ready(server: str) -> None:
    assert answers(f"{server}/ready")
    assert not answers(f"{server}/not-yet")
    assert not answers("http://127.0.0.1:1/")


def test_ready_is_not_believed_of_a_child_that_has_ended(process: Maker, server: str) -> None:
    one = process("", url=f"{server}/ready")
    one.start()
    wait_for(lambda: one.ended is not None)
    assert not one.is_ready()


def test_an_early_death_is_reported_with_the_end_of_its_log(process: Maker) -> None:
    one = process("print('address already in use'); raise SystemExit(3)", name="bridge")
    one.start()
    with pytest.raises(StackError, match=r"(?s)bridge has ended \(exit status 3\).*\| address already in use"):
        wait_until_ready(one, [one], tick=lambda: None)


def test_the_death_of_another_child_ends_the_waiting(process: Maker) -> None:
    one, other = process(SLEEP), process("raise SystemExit(1)", name="prometheus")
    one.start()
    other.start()
    with pytest.raises(StackError, match="prometheus has ended"):
        wait_until_ready(one, [one, other], tick=lambda: None)


def test_waiting_has_a_limit(process: Maker) -> None:
    one = process(SLEEP)
    one.start()
    with pytest.raises(StackError, match="did not answer 200"):
        wait_until_ready(one, [one], tick=lambda: None, limit=0.2)


def test_a_dead_child_is_reported_and_started_again(process: Maker) -> None:
    one, said = process("print('out of memory')"), list[str]()
    one.start()
    first = one.pid
    wait_for(lambda: one.revive(said.append))
    assert one.pid != first
    assert "out of memory" in said[0]
    assert "Starting it again in 1 s" in said[0]


def test_restarts_come_later_each_time_but_not_ever_later() -> None:
    assert [backoff(failures) for failures in (1, 2, 3, 4, 5, 6, 60)] == [1, 2, 4, 8, 16, 30, 30]


def test_what_a_dead_child_left_running_is_ended_before_its_restart(process: Maker, places: Places) -> None:
    one = process(WITH_CHILD)
    one.start()
    wait_for(lambda: one.ended is not None)
    assert len(members(one, places)) == 1
    one.revive(lambda text: None)
    wait_for(lambda: not members(one, places))


def test_all_are_ended_and_the_deaf_are_killed(process: Maker) -> None:
    polite, deaf = process(SLEEP, name="polite"), process(STUBBORN, name="deaf")
    polite.start()
    deaf.start()
    wait_for(lambda: "deaf" in tail(deaf.log))
    assert end_all([polite, deaf], stop_now=lambda: False, grace=0.3) == ["deaf"]
    assert (polite.ended, deaf.ended) == (-15, -9)


def test_ending_what_never_started_is_no_fault(process: Maker) -> None:
    assert end_all([process(SLEEP)], stop_now=lambda: False) == []


def test_a_signal_is_called_by_its_name() -> None:
    assert (status(-9), status(2)) == ("killed by SIGKILL", "exit status 2")


def test_what_has_no_address_is_ready_while_it_lives(process: Maker) -> None:
    living, dead = process(SLEEP, url=""), process("", url="")
    living.start()
    dead.start()
    wait_for(lambda: dead.ended is not None)
    assert (living.is_ready(), dead.is_ready()) == (True, False)


#: Starts a process of the stack, says its pid, and waits to be killed.
PARENT = """
import os, sys, time
from pathlib import Path
from dev.stack.places import Places
from dev.stack.processes import Process
from dev.stack.services import Service
places = Places(Path(sys.argv[1]))
one = Process(Service("thing", tuple(sys.argv[2:]), "", ""), places, dict(os.environ))
one.start()
print(one.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("argv", [[sys.executable, "-c", SLEEP], ["sleep", "600"]], ids=["ours", "of others"])
def test_a_child_ends_with_the_stack_however_that_ended(places: Places, argv: list[str]) -> None:
    words = [sys.executable, "-c", PARENT, str(places.run), *argv]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_for(lambda: running(pid) == argv)
        parent.kill()
    wait_for(lambda: proc.look(pid) is None)


def running(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]


def test_what_cannot_be_started_says_so_in_its_log(process: Maker, places: Places) -> None:
    one = Process(Service("thing", ("/no/such/program",), "", ""), places, dict(os.environ))
    one.start()
    wait_for(lambda: one.ended is not None)
    assert "/no/such/program cannot be started: No such file or directory" in one.exit_report()
