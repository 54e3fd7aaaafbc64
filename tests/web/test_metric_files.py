"""Metrics of several processes are merged, whichever of them dies, restarts or has no disk space."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.observability.metrics import Metrics

COUNTING = """
import sys
from bridge.observability import logs
from bridge.app.reload import metrics_of
logs.configure("info")
metrics = metrics_of(sys.argv[1])
metrics.know(["c"], ["prod"])
print("ready", flush=True)
for line in sys.stdin:
    match line.split():
        case ["sent"]:
            metrics.sent("c", [1.0])
        case ["loaded", refused]:
            metrics.loaded(refused=refused == "badly")
        case ["refresh"]:
            metrics.system.refresh()
        case ["show"]:
            text = metrics.exposition(lambda: None, ["c"]).decode()
            print(len(text.splitlines()), text, sep="\\n", end="")
        case ["mine"]:
            text = metrics.of_this_process().decode()
            print(len(text.splitlines()), text, sep="\\n", end="")
    print("done", flush=True)
"""


class Process:
    """A process with metrics that executes commands."""

    def __init__(self, folder: Path | None, name: str, limit: int = resource.RLIM_INFINITY) -> None:
        environment = {**os.environ, **({"PROMETHEUS_MULTIPROC_DIR": str(folder)} if folder else {})}
        self._popen = subprocess.Popen(
            [sys.executable, "-c", COUNTING, name],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)),
        )
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self._in, self._out = self._popen.stdin, self._popen.stdout
        assert self._out.readline() == "ready\n"

    def do(self, words: str) -> list[str]:
        print(words, file=self._in, flush=True)
        first = self._out.readline()
        lines = [self._out.readline().rstrip("\n") for _ in range(int(first))] if first != "done\n" else []
        assert first == "done\n" or self._out.readline() == "done\n"
        return lines

    def kill(self) -> str:
        """As the kernel does without memory; returns its stderr."""
        self._popen.send_signal(signal.SIGKILL)
        return self._popen.communicate(timeout=30)[1]


SENT = 'bridge_deliveries_total{channel="c",outcome="sent"}'
GOOD = 'bridge_config_last_reload_successful{process="%s"}'
MEMORY = 'process_resident_memory_bytes{process="%s"}'
CPU = 'process_cpu_seconds_total{process="%s"}'


def value(lines: list[str], series: str) -> float | None:
    found = [float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} ")]
    assert len(found) < 2, f"{series} is there {len(found)} times"
    return found[0] if found else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_counters_of_a_process_survive_it_once_and_its_gauges_do_not(folder: Path) -> None:
    web, worker = Process(folder, "web"), Process(folder, "worker")
    for each in (web, worker):
        each.do("loaded well")
    worker.do("loaded badly")
    for _ in range(2):
        worker.do("sent")
    worker.do("refresh")
    seen = web.do("show")
    assert (value(seen, SENT), value(seen, GOOD % "web"), value(seen, GOOD % "worker")) == (2.0, 1.0, 0.0)
    assert value(seen, MEMORY % "web") and value(seen, MEMORY % "worker")
    worker.kill()
    seen = web.do("show")
    assert (value(seen, SENT), value(seen, GOOD % "web"), value(seen, GOOD % "worker")) == (2.0, 1.0, None)
    assert value(seen, MEMORY % "worker") is None
    worker = Process(folder, "worker")
    worker.do("sent")
    assert value(web.do("show"), SENT) == 3.0
    web.kill()
    web = Process(folder, "web")
    assert value(web.do("show"), SENT) == 3.0
    before = {each.name for each in folder.iterdir()}
    for _ in range(3):
        worker.kill()
        worker = Process(folder, "worker")
    worker.do("sent")
    assert (value(web.do("show"), SENT), {each.name for each in folder.iterdir()}) == (4.0, before)
    web.kill(), worker.kill()


def test_the_cpu_time_of_a_process_continues_with_its_successor(folder: Path) -> None:
    first = Process(folder, "worker")
    first.do("refresh")
    spent = value(first.do("mine"), CPU % "worker")
    first.kill()
    second = Process(folder, "worker")
    assert (value(second.do("mine"), CPU % "worker") or 0) > (spent or 0) > 0
    second.kill()


def test_two_processes_of_the_same_name_are_summed(folder: Path) -> None:
    web, one, two = Process(folder, "web"), Process(folder, "worker"), Process(folder, "worker")
    for each in (one, two, two):
        each.do("sent")
    assert value(web.do("show"), SENT) == 3.0
    assert (value(one.do("mine"), SENT), value(two.do("mine"), SENT)) == (1.0, 2.0)
    for each in (web, one, two):
        each.kill()


def test_files_of_an_earlier_version_or_a_power_failure_are_ignored(folder: Path) -> None:
    for name in ("counter_17.db", "histogram_17.db", "gauge_mostrecent_17.db", "gauge_livemostrecent_web.db"):
        (folder / name).write_bytes(os.urandom(5000))
    (folder / "counter_web.db").write_bytes(b"\xff\xff\xff\x7f" * 5000)
    web = Process(folder, "web")
    web.do("sent")
    assert value(web.do("show"), SENT) == 1.0
    assert not [each for each in folder.iterdir() if "17" in each.name]
    web.kill()


def test_a_full_or_missing_folder_does_not_prevent_counting(folder: Path) -> None:
    (folder / "file").touch()
    for place, limit in ((folder, 1000), (folder / "missing", 10**6), (folder / "file", 10**6)):
        web = Process(place, "web", limit)
        web.do("sent")
        assert value(web.do("show"), SENT) == 1.0
        assert "metrics_not_shared" in web.kill()


def test_after_the_folder_is_deleted_each_process_keeps_its_own_metrics(folder: Path) -> None:
    (folder / "metrics").mkdir()
    web = Process(folder / "metrics", "web")
    web.do("sent")
    for each in (folder / "metrics").iterdir():
        each.unlink()
    (folder / "metrics").rmdir()
    assert value(web.do("show"), SENT) == 1.0
    web.kill()


def test_the_disk_space_of_the_metrics_is_allocated(folder: Path) -> None:
    """A sparse mapped file on a full disk would kill the process."""
    web = Process(folder, "web")
    assert all(each.stat().st_blocks * 512 >= each.stat().st_size for each in folder.glob("*.db"))
    web.kill()


@pytest.mark.parametrize("share", [True, False])
def test_there_are_no_created_series(folder: Path, share: bool) -> None:
    web = Process(folder if share else None, "web")
    web.do("sent")
    assert [line for command in ("show", "mine") for line in web.do(command) if "_created" in line] == []
    web.kill()


def test_every_series_of_a_process_has_its_label_and_the_usual_name() -> None:
    metrics = Metrics(process="worker")
    text = metrics.of_this_process().decode()
    usual = ("cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "start_time_seconds", "open_fds")
    assert [name for name in (*usual, "max_fds") if f'process_{name}{{process="worker"}}' not in text] == []
    assert "# TYPE process_cpu_seconds_total counter" in text
