"""The first start of `bridge serve`: its halves share what they imported, and the supervisor carries none of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.app import first_start
from dev.stack.free_port import free_port
from tests.end_to_end.machines import ROOT, eventually
from tests.end_to_end.process_tree import alive, arguments, descendants, send

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the supervisor starts each by itself"),
]

ROUTES = """\
channels: {chat: {type: email, smarthost: "127.0.0.1:9", from: a@x.org, to: [b@x.org], tls: none}}
route: {notify: [chat]}
"""


MODULE = (sys.executable, "-m", "bridge")


@contextmanager
def serving(
    folder: Path, *options: str, program: Sequence[str] = MODULE, cwd: Path = ROOT
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`bridge serve`, started just now, and its log. At the end none of its processes is left."""
    (folder / "routes.yaml").write_text(ROUTES)
    command = [*program, "serve", "--config", str(folder / "routes.yaml")]
    command += ["--listen", f"127.0.0.1:{free_port()}", *options]
    given = {**os.environ, "BRIDGE_DATABASE_URL": f"sqlite:///{folder}/bridge.db", "TMPDIR": str(folder)}
    log = folder / "serve.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=cwd, env=given, stdout=stream, stderr=stream)
    try:
        yield process, log
    finally:
        process.terminate()
        process.wait(60)


def both_are_ready(log: Path) -> bool:
    return '"web_ready"' in log.read_text() and '"worker_ready"' in log.read_text()


def libraries(pid: int) -> bool:
    return "_pydantic_core" in Path(f"/proc/{pid}/maps").read_text()


def titles(pids: list[int]) -> list[list[str]]:
    return [arguments(pid)[:2] for pid in pids]


def test_the_supervisor_carries_no_libraries_and_each_process_has_its_name(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, log):
        eventually(lambda: both_are_ready(log))
        pids = descendants(process.pid)
        assert titles(pids) == [["bridge", "serve"], ["bridge", "web"], ["bridge", "worker"]]
        assert [libraries(pid) for pid in pids] == [False, True, True]


def test_several_workers_run_and_each_is_started_again(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "3") as (process, log):
        eventually(lambda: log.read_text().count('"worker_ready"') == 3)
        *_, last = pids = descendants(process.pid)
        assert [words[1] for words in titles(pids)] == ["serve", "web", "worker", "worker", "worker"]
        send(last, signal.SIGKILL)
        eventually(lambda: log.read_text().count('"worker_ready"') == 4)
        assert '"process": "worker-3", "code": -9' in log.read_text()


@pytest.mark.parametrize("moment", ["incident-bridge-metrics-*", '"started"', '"web_ready"'])
def test_told_to_end_while_it_starts_it_ends_in_order(tmp_path: Path, moment: str) -> None:
    """A signal that comes before the supervisor can take it waits for that."""
    with serving(tmp_path) as (process, log):
        while not list(tmp_path.glob(moment)) and moment not in log.read_text():
            assert process.poll() is None
            time.sleep(0.001)
        pids = descendants(process.pid)
        process.terminate()
        assert process.wait(120) == 0
        eventually(lambda: not alive(pids))
        assert "Traceback" not in log.read_text()
        assert not list(tmp_path.glob("incident-bridge-metrics-*"))


@pytest.mark.parametrize("order", [signal.SIGKILL, signal.SIGTERM])
def test_killed_while_it_starts_it_leaves_no_process(tmp_path: Path, order: signal.Signals) -> None:
    with serving(tmp_path) as (process, _):
        eventually(lambda: len(descendants(process.pid)) == 3)
        pids = descendants(process.pid)
        process.send_signal(order)
        process.wait(120)
        eventually(lambda: not alive(pids))


def test_a_parent_that_wants_no_exit_codes_changes_nothing(tmp_path: Path) -> None:
    """An ignored SIGCHLD is inherited over an exec: the kernel then keeps no exit code of a child."""
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    program = (sys.executable, "-c", ignoring, *MODULE)
    with serving(tmp_path, program=program) as (process, log):
        eventually(lambda: both_are_ready(log))
        send(descendants(process.pid)[-1], signal.SIGKILL)
        eventually(lambda: log.read_text().count('"worker_ready"') == 2)
        assert '"process": "worker", "code": -9' in log.read_text()


def test_closed_standard_files_are_no_fault(tmp_path: Path) -> None:
    program = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *MODULE)
    with serving(tmp_path, program=program) as (process, _):
        folder = eventually(lambda: list(tmp_path.glob("incident-bridge-metrics-*")))[0]
        eventually(lambda: len(list(folder.glob("*_worker.db"))) > 0 and len(list(folder.glob("*_web.db"))) > 0)
        pids = descendants(process.pid)
        assert titles(pids) == [["bridge", "serve"], ["bridge", "web"], ["bridge", "worker"]]  # the first ones live
        opened = [[os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)] for pid in pids]
        assert opened == [["/dev/null"] * 3] * 3


def test_what_lies_in_the_working_directory_is_not_run(tmp_path: Path) -> None:
    """The installed command imports nothing from there, and what takes its place does not either."""
    here = tmp_path / "here"
    (here / "bridge").mkdir(parents=True)
    for file in (here / "json.py", here / "bridge" / "__init__.py"):
        file.write_text("raise SystemExit('this is not the bridge')")
    with serving(tmp_path, program=(str(Path(sys.executable).with_name("bridge")),), cwd=here) as (process, log):
        eventually(lambda: both_are_ready(log))
        send(descendants(process.pid)[-1], signal.SIGKILL)
        eventually(lambda: log.read_text().count('"worker_ready"') == 2)


def test_a_half_that_cannot_be_forked_is_left_to_the_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(run: object) -> int:
        raise OSError

    monkeypatch.setattr(first_start, "fork", no_memory)
    monkeypatch.setattr(first_start, "_import_what_both_need", lambda: None)
    assert first_start.start({"web": ["web"], "worker": ["worker"]}, print) == {}
