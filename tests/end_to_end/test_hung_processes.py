"""A half that hangs is killed and started again; one that is only slow, or was stopped with its supervisor, is not."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from bridge.app.supervisor import silence
from dev.sandbox.running import RunningSandbox
from dev.stack.free_port import free_port
from tests.end_to_end.machines import ROOT, Bridge, eventually
from tests.end_to_end.notified import pages
from tests.end_to_end.process_tree import descendants, python, send, state
from tests.end_to_end.webhooks import Storm
from tests.operating.machines import routes

pytestmark = pytest.mark.timeout(240)

#: A start on a busy machine must not take as long.
HANG_SECONDS = 12.0
#: A part of a half's event loop that blocks it for ever once a file is there, in its first life.
BLOCKING = """
import asyncio, os, sys, time
def block():
    if os.path.exists({file!r}) and not os.path.exists({file!r} + ".was"):
        os.rename({file!r}, {file!r} + ".was")
        time.sleep(3600)
if {half!r} == "worker" and "bridge" in sys.orig_argv:
    import bridge.worker.pings as pinging
    run = pinging.Pinger.run
    async def blocking(self):
        while not os.path.exists({file!r} + ".was"):
            block()
            await asyncio.sleep(0.1)
        return await run(self)
    pinging.Pinger.run = blocking
if {half!r} == "web" and "bridge" in sys.orig_argv:
    from bridge.web.server import Server
    readable = Server.readable
    def blocking(self):
        block()
        return readable(self)
    Server.readable = blocking
"""


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox, token: str) -> Iterator[Bridge]:
    given = {**sandbox.environment(token), "BRIDGE_HANG_TIMEOUT": str(HANG_SECONDS)}
    bridge = Bridge(tmp_path, given, routes(tmp_path))
    bridge.start()
    eventually(lambda: '"worker_ready"' in bridge.log())
    yield bridge
    assert bridge.process is not None
    for pid in descendants(bridge.process.pid):
        send(pid, signal.SIGCONT)
    bridge.stop()


def stop(pid: int) -> int:
    send(pid, signal.SIGSTOP)
    eventually(lambda: state(pid) == "T")
    return pid


@pytest.mark.parametrize("half", ["web", "worker"])
def test_a_half_that_is_stopped_is_started_again(
    bridge: Bridge, sandbox: RunningSandbox, token: str, half: str
) -> None:
    (pid,) = bridge.pids(half)
    stop(pid)
    storm = Storm(bridge, token, 5)
    storm.start()
    eventually(lambda: bridge.pids(half) not in ([], [pid]))
    storm.finish()
    eventually(lambda: len(pages(sandbox)) == 5)
    assert state(pid) == ""
    assert '"hung"' in bridge.log()


@pytest.mark.parametrize("half", ["web", "worker"])
def test_a_half_whose_event_loop_is_blocked_says_where_and_is_started_again(
    tmp_path: Path, sandbox: RunningSandbox, token: str, half: str
) -> None:
    file = tmp_path / "block"
    (tmp_path / "sitecustomize.py").write_text(BLOCKING.format(file=str(file), half=half))
    given = {**sandbox.environment(token), "BRIDGE_HANG_TIMEOUT": str(HANG_SECONDS), "PYTHONPATH": str(tmp_path)}
    bridge = Bridge(tmp_path, given, routes(tmp_path))
    try:
        bridge.start()
        eventually(lambda: '"worker_ready"' in bridge.log())
        (pid,) = bridge.pids(half)
        file.touch()
        eventually(lambda: '"hung"' in bridge.log())
        eventually(lambda: bridge.pids(half) not in ([], [pid]))
        assert "in block" in bridge.log()  # the traceback of the thread that hangs
        Storm(bridge, token, 1).start()
        eventually(lambda: pages(sandbox))
    finally:
        bridge.stop()


def test_when_all_of_them_were_stopped_none_is_killed(bridge: Bridge, sandbox: RunningSandbox, token: str) -> None:
    """As a laptop that slept, or a container that was paused: the supervisor wakes first and has received nothing."""
    assert bridge.process is not None
    (web,), (worker,), supervisor = bridge.pids("web"), bridge.pids("worker"), bridge.process.pid
    for pid in (supervisor, web, worker):
        stop(pid)
    time.sleep(HANG_SECONDS * 1.5)
    send(supervisor, signal.SIGCONT)
    eventually(lambda: state(supervisor) == "S")
    time.sleep(2)
    for pid in (web, worker):
        send(pid, signal.SIGCONT)
    time.sleep(HANG_SECONDS)
    assert ([web], [worker]) == (bridge.pids("web"), bridge.pids("worker"))
    assert '"hung"' not in bridge.log()
    Storm(bridge, token, 1).start()
    eventually(lambda: pages(sandbox))


@pytest.mark.parametrize(
    ("elapsed", "counted"),
    [([0.1] * 50, 5.0), ([1.0, 1.0], 2.0), ([3600.0], 1.0), ([0.1, 86400.0, 0.1], 1.2), ([], 0.0)],
)
def test_silence_is_counted_in_the_listeners_own_time(elapsed: list[float], counted: float) -> None:
    total = 0.0
    for step in elapsed:
        total = silence(total, step)
    assert counted == pytest.approx(total)


def test_a_half_that_hangs_while_it_starts_is_started_again(
    supervised: Callable[..., int], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It hangs the first time, and cannot run the second time, which ends the test."""
    code = f"import os, time; os.path.exists('{tmp_path}/1') and exit(2); open('{tmp_path}/1', 'w'); time.sleep(600)"
    assert supervised(hang_seconds=5.0, worker=python(code)) == 2
    assert '"hung"' in capfd.readouterr().err


def test_without_a_limit_none_is_killed(supervised: Callable[..., int], capfd: pytest.CaptureFixture[str]) -> None:
    assert supervised(hang_seconds=0, worker=python("import time; time.sleep(3); exit(2)")) == 2
    assert '"hung"' not in capfd.readouterr().err


def in_the_cluster() -> dict[str, Any]:
    objects = yaml.safe_load_all((ROOT / "k8s" / "base" / "bridge.yaml").read_text())
    (deployment,) = [each for each in objects if each["kind"] == "Deployment"]
    (worker,) = [each for each in deployment["spec"]["template"]["spec"]["containers"] if each["name"] == "worker"]
    return dict(worker)


#: A blocked event loop takes a minute to be noticed, in the cluster.
SOON = """
if "bridge" in sys.orig_argv:
    import bridge.app.worker_process
    bridge.app.worker_process.HANG_SECONDS = 5.0
"""


@pytest.fixture(params=["stopped", "blocked"])
def hang(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], object]:
    (tmp_path / "sitecustomize.py").write_text(BLOCKING.format(file=str(tmp_path / "block"), half="worker") + SOON)
    return {"stopped": stop, "blocked": lambda pid: (tmp_path / "block").touch()}[request.param]


def test_the_clusters_probe_notices_a_worker_that_hangs(
    tmp_path: Path, sandbox: RunningSandbox, token: str, hang: Callable[[int], object]
) -> None:
    """The container's own command and probe, with the paths of this machine."""
    worker, address = in_the_cluster(), f"127.0.0.1:{free_port()}"
    probe = worker["livenessProbe"]
    assert probe["httpGet"] == worker["startupProbe"]["httpGet"] and "--metrics-listen" in worker["command"]
    command = [sys.executable, *worker["command"][1:-1], address]
    own = {"BRIDGE_CONFIG": str(routes(tmp_path)), "BRIDGE_DATABASE_URL": f"sqlite:///{tmp_path}/bridge.db"}
    given = {**os.environ, **sandbox.environment(token), **own, "PYTHONPATH": str(tmp_path)}

    def lives() -> bool:
        with contextlib.suppress(requests.RequestException):
            url = f"http://{address}{probe['httpGet']['path']}"
            return requests.get(url, timeout=probe["timeoutSeconds"]).status_code < 400
        return False

    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=log, stderr=log)
    try:
        eventually(lives)
        hang(process.pid)
        eventually(lambda: not lives())
        assert not lives()
    finally:
        process.kill()
        process.wait()
