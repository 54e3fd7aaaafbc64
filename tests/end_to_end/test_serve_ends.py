"""`bridge serve` ends with words where it can never run, tries again where it may, and never shows a traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from bridge.app.supervisor import CANNOT_RUN, restart_wait
from dev.stack.free_port import free_port
from tests.end_to_end.machines import ROOT, Bridge, eventually
from tests.end_to_end.process_tree import python

pytestmark = pytest.mark.timeout(120)

ROUTES = """\
channels: {chat: {type: email, smarthost: "127.0.0.1:9", from: a@x.org, to: [b@x.org], tls: none}}
route: {notify: [chat]}
"""
SLOW = """
import sys, time
def slowed(run):
    return lambda *given, **named: time.sleep({seconds}) or run(*given, **named)
if "bridge" in sys.orig_argv:
    import bridge.app.{half}_process as process
    process.run_{half} = slowed(process.run_{half})
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "routes.yaml"
    file.write_text(ROUTES)
    return file


def serve(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Until it ends by itself."""
    command = [sys.executable, "-m", "bridge", "serve", *words]
    given = {"BRIDGE_DATABASE_URL": f"sqlite:///{folder}/bridge.db", "PYTHONPATH": str(folder), **environment}
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, timeout=100, check=False
    )


def ends_in_words(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert "Traceback" not in done.stderr
    assert done.returncode == CANNOT_RUN, done.stderr
    for word in words:
        assert word in done.stderr


@contextmanager
def listener(*place: str) -> Iterator[tuple[int, int]]:
    """A process of another kind that listens: its pid, and its port."""
    code = "import socket, time, sys; s = socket.create_server((sys.argv[1], 0)); print(s.getsockname()[1], flush=True)"
    command = [sys.executable, "-c", f"{code}; time.sleep(600)", place[0] if place else "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("place", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_ends_it_and_names_who_has_it(tmp_path: Path, config: Path, place: str) -> None:
    with listener(place) as (pid, port):
        done = serve(tmp_path, "--config", str(config), "--listen", f"127.0.0.1:{port}")
    ends_in_words(done, f"cannot listen on 127.0.0.1:{port}", f"pid {pid} (", "--listen")


def test_a_taken_port_of_another_users_process_ends_it_with_a_hint(tmp_path: Path, config: Path) -> None:
    """What may not be seen cannot be named; as root everything can, so it is asked for in a table that is not there."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'bridge' in sys.orig_argv:\n"
        "    from bridge.processes import listening, port_holders\n    port_holders._open_files = lambda pid: set()\n"
        "    listening.WAIT_SECONDS = 1.0\n    listening.listen_on.__defaults__ = (1.0,)\n"
    )
    with listener() as (_, port):
        done = serve(tmp_path, "--config", str(config), "--listen", f"127.0.0.1:{port}")
    ends_in_words(done, "a process of another user", f"ss -ltnp 'sport = :{port}'")


def test_another_listener_on_the_same_port_of_another_address_is_not_in_the_way(tmp_path: Path, config: Path) -> None:
    with listener("127.0.0.2") as (_, port), running(tmp_path, config, f"127.0.0.1:{port}") as bridge:
        assert requests.get(f"http://127.0.0.1:{port}/-/healthy", timeout=60).ok
        assert bridge.poll() is None


@pytest.mark.parametrize("half", ["web", "worker"])
def test_a_fault_of_set_up_after_a_start_of_over_ten_seconds_ends_it_too(
    tmp_path: Path, config: Path, half: str
) -> None:
    config.write_text(ROUTES.replace("notify: [chat]", "notify: [chta]"))
    (tmp_path / "sitecustomize.py").write_text(
        SLOW.format(half=half, seconds=11) + SLOW.format(half=({"web", "worker"} - {half}).pop(), seconds=60)
    )
    ends_in_words(serve(tmp_path, "--config", str(config)), "did you mean 'chat'?")


def test_a_missing_login_ends_it(tmp_path: Path, config: Path) -> None:
    ends_in_words(serve(tmp_path, "--config", str(config), "--listen", f"0.0.0.0:{free_port()}"), "needs a source")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--listen", "22412"], "127.0.0.1:22412"),
        (["--listen", "host:99999"], "from 1 to 65535"),
        (["--listen", "localhost:0"], "from 1 to 65535"),
        (["--listen", "::1:9119"], "[::1]:9119"),
        (["--listen", "unix:/tmp/x"], "TCP"),
        (["--listen", ":9119"], "needs a source with a token"),
        (["--listen", "no-such-name.invalid:9119"], "needs a source with a token"),
        (["--database", "mysql://bridge:very-secret@db/bridge"], "cannot use a database of the kind 'mysql'"),
        (["--database", "postgresql://bridge:very@secret@db/bridge"], "write @ as %40"),
        (["--database", "postgresql+psycopg2://bridge@db/bridge"], "cannot use a database of the kind"),
        (["--database", "sqlite://"], "three slashes"),
        (["--database", "sqlite:///:memory:"], "in memory"),
        (["--database", "sqlite:////"], "is a folder"),
        (["--database", "sqlite:////dev/null/bridge.db"], "/dev/null is no folder"),
        (["--database", "sqlite:////dev/null"], "is no ordinary file"),
        (["--database", "sqlite:////proc/bridge/bridge.db"], "bridge.db cannot be "),
        (["--database", "sqlite:////etc/hostname"], "is not a database of SQLite"),
        (["--database", "bridge.db"], "sqlite:///FILE"),
        (["--database", ""], "sqlite:///FILE"),
        (["--config", "/"], "the file cannot be read: Is a directory"),
        (["--config", "/no/such/file"], "the file cannot be read: No such file"),
        (["--config", sys.executable], "is not UTF-8 text"),
        (["--hang-timeout", "soon"], "--hang-timeout"),
    ],
    ids=lambda words: " ".join(words)[:40] if isinstance(words, list) else "",
)
def test_what_can_never_run_is_said_in_words(tmp_path: Path, config: Path, words: list[str], message: str) -> None:
    given = ["--config", str(config)] if "--config" not in words else []
    done = serve(tmp_path, *given, *words)
    ends_in_words(done, message)
    assert "secret" not in done.stderr.replace("a secret", "")


@pytest.mark.parametrize(
    "given", [{"BRIDGE_LISTEN": "host:"}, {"BRIDGE_DATABASE_URL": "mssql://x"}, {"TMPDIR": "/no/such/folder"}]
)
def test_the_environment_is_read_as_carefully(tmp_path: Path, config: Path, given: Mapping[str, str]) -> None:
    (tmp_path / "sitecustomize.py").write_text("import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/no']\n")
    ends_in_words(serve(tmp_path, "--config", str(config), **given))


def test_a_faulty_file_that_is_put_in_place_later_ends_nothing(tmp_path: Path, config: Path) -> None:
    """After a half was ready once, its faults may be a change that is being made: the other half goes on."""
    port = free_port()
    bridge = Bridge(tmp_path, {}, config, port)
    try:
        bridge.start()
        eventually(lambda: '"worker_ready"' in bridge.log())
        config.write_text("")
        bridge.kill("worker")
        eventually(lambda: '"code": 2' in bridge.log())
        assert requests.get(f"{bridge.url}/-/healthy", timeout=60).ok
        config.write_text(ROUTES)
        eventually(lambda: bridge.log().count('"worker_ready"') == 2)
    finally:
        bridge.stop()


def test_a_database_that_does_not_answer_yet_is_waited_for(
    tmp_path: Path, config: Path, supervised: Callable[..., int]
) -> None:
    url = f"postgresql://bridge:very-secret@127.0.0.1:{free_port()}/bridge"
    with running(tmp_path, config, f"127.0.0.1:{free_port()}", BRIDGE_DATABASE_URL=url) as bridge:
        log = tmp_path / "serve.log"
        eventually(lambda: log.read_text().count('"code": 1') >= 3)
        assert bridge.poll() is None
    assert "very-secret" not in log.read_text()
    assert "Traceback" not in log.read_text()


def test_it_goes_on_when_the_reader_of_its_log_has_gone(tmp_path: Path) -> None:
    """It writes down that the half has died, which then can never run: that ends the test."""
    half = ["/bin/sh", "-c", "test -e $0 && exit 2; touch $0; exit 1", str(tmp_path / "1")]
    code = (
        "from bridge.app.supervisor import Supervisor\n"
        f"raise SystemExit(Supervisor({{'half': {half!r}}}, {{}}, 0).run())"
    )
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=writer) as process:
        os.close(writer)
        assert process.wait(60) == CANNOT_RUN


def test_a_reload_while_a_half_starts_does_not_kill_it(tmp_path: Path, config: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW.format(half="worker", seconds=5))
    with running(tmp_path, config, f"127.0.0.1:{free_port()}") as bridge:
        bridge.send_signal(signal.SIGHUP)
        log = tmp_path / "serve.log"
        eventually(lambda: '"worker_ready"' in log.read_text())
        assert '"died"' not in log.read_text()
        eventually(lambda: log.read_text().count('"reloaded"') == 2)  # each half, once it could


@contextmanager
def running(folder: Path, config: Path, listen: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`bridge serve`, once its web is ready if it can be."""
    command = [sys.executable, "-m", "bridge", "serve", "--config", str(config), "--listen", listen]
    given = {"BRIDGE_DATABASE_URL": f"sqlite:///{folder}/bridge.db", "PYTHONPATH": str(folder), **environment}
    log = folder / "serve.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **given}, stdout=stream, stderr=stream)
    try:
        eventually(lambda: '"web_ready"' in log.read_text() or '"died"' in log.read_text())
        yield process
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize("listen", ["[::1]:{port}", "localhost:{port}", "127.0.0.1:{port}", "LOCALHOST:{port}"])
def test_every_way_to_write_this_machine_works_without_a_login(tmp_path: Path, config: Path, listen: str) -> None:
    if "::1" in listen and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    place = listen.format(port=free_port())
    with running(tmp_path, config, place):
        assert requests.get(f"http://{place}/", timeout=60).ok


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def dies_after(seconds: float, code: int) -> Sequence[str]:
    return python(f"import time; time.sleep({seconds}); exit({code})")


def test_exit_code_2_ends_it_however_long_the_start_took(supervised: Callable[..., int]) -> None:
    assert supervised(web=dies_after(11, 2), worker=dies_after(60, 0)) == CANNOT_RUN


def test_exit_code_2_at_the_second_start_ends_it_too_when_it_was_never_ready(
    supervised: Callable[..., int], tmp_path: Path
) -> None:
    code = f"import os; exit(2) if os.path.exists('{tmp_path}/1') else (open('{tmp_path}/1', 'w'), exit(1))"
    assert supervised(worker=python(code)) == CANNOT_RUN


READY_FOR_A_MOMENT = """
import os, signal, socket, sys
if os.path.exists(sys.argv[1]):
    os.kill(os.getppid(), signal.SIGTERM)
open(sys.argv[1], "w").close()
socket.socket(fileno=int(os.environ["BRIDGE_LIFELINE"])).send(b"r")
sys.exit(2)
"""


def test_exit_code_2_after_it_was_ready_if_only_for_a_moment_is_a_death_like_any_other(
    supervised: Callable[..., int], tmp_path: Path
) -> None:
    """It is started again, and then asks the supervisor to end."""
    assert supervised(worker=[*python(READY_FOR_A_MOMENT), str(tmp_path / "1")]) == 0


@pytest.mark.parametrize("number", ["", "no number", "-1", "999", "0"])
def test_a_lifeline_that_is_none_is_left_alone(tmp_path: Path, number: str) -> None:
    """As of a process that was started by one of ours, or by hand from its environment."""
    words = [sys.executable, "-m", "bridge", "worker", "--config", "/no/such/file"]
    given = {**os.environ, "BRIDGE_LIFELINE": number}
    done = subprocess.run(words, cwd=ROOT, env=given, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "") and "Traceback" not in done.stderr


def test_a_half_that_cannot_be_started_at_all_is_tried_again(
    supervised: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert supervised(web=["/no/such/program"], worker=dies_after(1, 2)) == CANNOT_RUN
    assert '"not_started"' in capfd.readouterr().err


def test_restarts_come_later_each_time_but_not_ever_later() -> None:
    assert [restart_wait(failures) for failures in (1, 2, 3, 4, 5, 5000)] == [0, 2, 4, 8, 10, 10]
