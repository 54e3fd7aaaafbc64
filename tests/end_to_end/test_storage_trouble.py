"""The database's file is taken away, locked, or has no room left, under real processes.

What is answered 200 is in the file; all else is 503, `/-/ready` says why, and is well again when the file is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import requests

from tests.end_to_end.machines import Bridge, eventually
from tests.end_to_end.storing import Sender, gauge, not_ready, readiness, started

pytestmark = pytest.mark.timeout(240)

UNLIMITED = resource.RLIM_INFINITY


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    with started(tmp_path) as bridge:
        yield bridge


@pytest.fixture
def sender(bridge: Bridge) -> Sender:
    sender = Sender(bridge)
    assert sender.send("before") == 200
    return sender


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    """For what is over without a restart."""
    with started(tmp_path_factory.mktemp("lasting")) as bridge:
        yield Sender(bridge)


@pytest.fixture
def shared(lasting: Sender) -> Iterator[Sender]:
    """Everything that was ever accepted is still there afterwards, and nothing else is."""
    assert lasting.send("before") == 200
    eventually(lasting.bridge.ready)
    yield lasting
    assert lasting.accepted == kept(file_of(lasting.bridge))


def file_of(bridge: Bridge) -> Path:
    return Path(bridge.database_url.removeprefix("sqlite:///"))


def kept(file: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return {row[0] for row in connection.execute("SELECT group_key FROM incident")}


def test_no_other_user_may_read_what_the_processes_write(shared: Sender) -> None:
    """The database and what is beside it, and the measurements."""
    bridge = shared.bridge
    eventually(lambda: list((bridge.folder / "state").rglob("pipe")))
    written = [*(bridge.folder / "state").rglob("*"), *bridge.folder.glob("incident-bridge-metrics-*/*")]
    assert {"bridge.db", "bridge.db-wal", "bridge.db.lock"} <= {each.name for each in written} and len(written) > 7
    assert [each for each in written if stat.S_IMODE(each.stat().st_mode) & 0o077] == []


def delete_all(file: Path) -> None:
    for each in file.parent.glob("bridge.db*"):
        each.unlink()


def replace(file: Path) -> None:
    """By a backup, as operators do it who forget to stop the bridge."""
    copy = file.with_name("copy")
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    copy.rename(file)


LOST: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (lambda file: file.unlink(), "was deleted"),
    "deleted with all beside it": (delete_all, "was deleted"),
    "folder deleted": (lambda file: shutil.rmtree(file.parent), "was deleted"),
    "folder moved": (lambda file: file.parent.rename(file.parent.with_name("elsewhere")), "was deleted"),
    "replaced": (replace, "another file"),
    "emptied": (lambda file: os.truncate(file, 0), "was emptied"),
    "its log deleted": (lambda file: file.with_name("bridge.db-wal").unlink(), "bridge.db-wal"),
    "its index deleted": (lambda file: file.with_name("bridge.db-shm").unlink(), "bridge.db-shm"),
}
KEEP_ALL = {"replaced", "its log deleted", "its index deleted"}


@pytest.mark.parametrize("lost", LOST, ids=lambda name: name.replace(" ", "-"))
def test_what_would_go_into_a_lost_file_is_refused_loudly_until_a_restart(
    bridge: Bridge, sender: Sender, lost: str
) -> None:
    take_away, words = LOST[lost]
    file = file_of(bridge)
    take_away(file)
    assert [sender.send(f"after-{number}") for number in range(3)] == [503] * 3
    assert not_ready(bridge, words, "restart"), readiness(bridge)
    assert words in bridge.log() and "database_lost" in bridge.log()
    assert gauge(bridge, "bridge_store_writable") == 0.0
    assert (lost in KEEP_ALL | {"emptied"}) == file.exists(), "an empty one was made"
    bridge.stop()
    bridge.start()
    assert sender.send("after-0") == 200
    assert (sender.accepted if lost in KEEP_ALL else {"after-0"}) == kept(file)


def test_a_kill_after_the_log_was_deleted_loses_nothing_either(bridge: Bridge, sender: Sender) -> None:
    file_of(bridge).with_name("bridge.db-wal").unlink()
    assert sender.send("meanwhile") == 503
    eventually(lambda: "database_lost" in bridge.log())
    bridge.kill_everything()
    assert kept(file_of(bridge)) == {"before"}


@pytest.mark.parametrize("name", ["bridge.db", "bridge.db-wal", "bridge.db-shm", ""])
def test_the_same_file_put_back_is_taken_again_without_a_restart(shared: Sender, name: str) -> None:
    """The last is its folder, which is unmounted and mounted again."""
    place = file_of(shared.bridge).parent / name
    aside = shared.bridge.folder / "aside"
    place.rename(aside)
    assert shared.send(f"without {name}") == 503
    assert not_ready(shared.bridge, "was deleted")
    aside.rename(place)
    eventually(lambda: shared.send(f"without {name}") == 200)
    eventually(shared.bridge.ready)


@contextlib.contextmanager
def full(bridge: Bridge) -> Iterator[None]:
    """No file of the two processes may grow any more, which they are answered as on a disk that is full."""
    room = max(each.stat().st_size for each in file_of(bridge).parent.iterdir() if each.is_file())
    pids = [*bridge.pids("web"), *bridge.pids("worker")]
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, UNLIMITED))
    yield
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))


def test_a_full_disk_is_503_not_ready_and_over_when_there_is_room(shared: Sender) -> None:
    bridge = shared.bridge
    with full(bridge):
        eventually(lambda: shared.send("large", 500_000) == 503)
        assert not_ready(bridge, "cannot be written"), readiness(bridge)
        assert gauge(bridge, "bridge_store_writable") == 0.0
    assert shared.send("large", 500_000) == 200
    assert readiness(bridge)[0] == 200
    assert gauge(bridge, "bridge_store_writable") == 1.0


def test_a_full_disk_is_noticed_and_its_end_too_while_nothing_comes_in(shared: Sender) -> None:
    with full(shared.bridge):
        eventually(lambda: not_ready(shared.bridge, "cannot be written"), 120)
    eventually(shared.bridge.ready, 120)


@contextlib.contextmanager
def flocked(file: Path, suffix: str) -> Iterator[None]:
    """As `flock bridge.db.lock sleep 60` does in a forgotten shell."""
    with open(f"{file}{suffix}") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def begun(file: Path, how: str) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as other:
        other.execute(f"BEGIN {how}")
        yield
        other.execute("ROLLBACK")


LOCKS: dict[str, Callable[[Path], contextlib.AbstractContextManager[None]]] = {
    "flock of .lock": partial(flocked, suffix=".lock"),
    "flock of .turn": partial(flocked, suffix=".turn"),
    "begin immediate": partial(begun, how="IMMEDIATE"),
    "begin exclusive": partial(begun, how="EXCLUSIVE"),
}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda name: name.replace(" ", "-"))
def test_a_lock_of_another_process_ends_in_503_with_its_name(shared: Sender, lock: str) -> None:
    bridge, us = shared.bridge, f"pid {os.getpid()}"
    with LOCKS[lock](file_of(bridge)):
        assert shared.send(lock) == 503
        assert not_ready(bridge), readiness(bridge)
        eventually(lambda: not_ready(bridge, "locked", us))
        assert any(us in line and "webhook not stored" in line for line in bridge.log().splitlines())
        assert requests.get(f"{bridge.url}/-/healthy", timeout=10).status_code == 200
    eventually(lambda: shared.send(lock) == 200)
    eventually(bridge.ready)


def test_a_lock_while_nothing_comes_in_is_noticed_and_its_end_too(shared: Sender) -> None:
    with flocked(file_of(shared.bridge), ".lock"):
        eventually(lambda: not_ready(shared.bridge))
    eventually(shared.bridge.ready)


def test_a_log_that_cannot_be_written_stops_nothing(bridge: Bridge, sender: Sender) -> None:
    """It often stands on the same full disk."""
    log = bridge.folder / "bridge.log"
    assert bridge.process is not None
    for pid in (bridge.process.pid, *bridge.pids("web"), *bridge.pids("worker")):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size, UNLIMITED))
    assert sender.send("large", 500_000) == 503
    (before,) = bridge.pids("worker")
    bridge.kill("worker")  # which the supervisor would like to log
    eventually(lambda: [pid for pid in bridge.pids("worker") if pid != before])
    for pid in bridge.pids("web"):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
    assert sender.send("large", 500_000) == 200
