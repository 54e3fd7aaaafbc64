"""SQLite's files: private, locked for seconds at most, never replaced in use; and the pipe that wakes a worker."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from bridge.core.errors import StoreDown, StoreUnavailable
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity, Sent
from bridge.core.routing.tree import Route
from bridge.store import Listener, Policy, StoreDeliveries, StoreIntake, StoreReader, Waker, back_up, open_database
from bridge.store.database import transaction
from bridge.store.sqlite_files import lock_holders
from bridge.store.sqlite_lock import WriteLock
from tests.builders import a_group, an_alert, at
from tests.end_to_end.machines import eventually

POLICY = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})
CAPACITIES = [ChannelCapacity("pager", 100, None, 100, 60.0)]


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that makes new files readable for all users."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "bridge.db"


@pytest.fixture
def engine(file: Path) -> Iterator[sa.Engine]:
    engine = open_database(f"sqlite:///{file}")
    yield engine
    engine.dispose()


@contextlib.contextmanager
def accepting(engine: sa.Engine) -> Iterator[Callable[[str], None]]:
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(0))

    def accept(key: str) -> None:
        intake.accept(a_group(an_alert(), key=key))

    try:
        yield accept
    finally:
        intake.close()


def modes(folder: Path) -> dict[str, int]:
    return {str(each.relative_to(folder)): stat.S_IMODE(each.lstat().st_mode) for each in sorted(folder.rglob("*"))}


def test_new_files_are_private(open_umask: None, file: Path, engine: sa.Engine) -> None:
    listener = Listener(engine, lambda: None)
    with accepting(engine) as accept:
        accept("one")
        eventually(lambda: (file.parent / ".bridge.db-wake" / "pipe").exists())
        found = modes(file.parent)
    listener.close()
    wanted = {"bridge.db", "bridge.db-wal", "bridge.db-shm", "bridge.db.turn", "bridge.db.lock", ".bridge.db-wake/pipe"}
    assert found == dict.fromkeys(wanted, 0o600) | {".bridge.db-wake": 0o700}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_backup_is_private(open_umask: None, file: Path, engine: sa.Engine, tmp_path: Path) -> None:
    back_up(f"sqlite:///{file}", tmp_path / "copy.db")
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600


def make_public(file: Path) -> None:
    """With the modes of an earlier version."""
    open_database(f"sqlite:///{file}").dispose()
    Path(f"{file}-wal").touch()
    for each in file.parent.glob("bridge.db*"):
        each.chmod(0o644)


def test_files_of_an_earlier_version_are_made_private_with_a_log_event(file: Path) -> None:
    make_public(file)
    with capture_logs() as lines:
        open_database(f"sqlite:///{file}").dispose()
    assert set(modes(file.parent).values()) == {0o600}
    modes_before = {Path(line["file"]).name: line["was"] for line in lines if line["event"] == "file_mode_restricted"}
    assert modes_before == dict.fromkeys(("bridge.db", "bridge.db-wal", "bridge.db.turn", "bridge.db.lock"), "0644")


def test_files_of_another_user_are_used_unchanged(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chmod(self: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(self))

    make_public(file)
    monkeypatch.setattr(Path, "chmod", chmod)
    with capture_logs() as lines:
        open_database(f"sqlite:///{file}").dispose()
    assert "file_mode_not_restricted" in {line["event"] for line in lines}


def test_a_second_opening_in_one_process_keeps_the_locks_of_the_first(file: Path, engine: sa.Engine) -> None:
    """Opening and closing the file would release them: https://www.sqlite.org/howtocorrupt.html"""
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 1")
        locks = posix_locks(file)
        assert locks
        open_database(f"sqlite:///{file}").dispose()
        assert locks <= posix_locks(file)


def posix_locks(file: Path) -> set[str]:
    inode = file.stat().st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    return {line.partition(":")[2] for line in lines if f":{inode} " in line and f" {os.getpid()} " in line}


LOCK_AND_WAIT = (
    "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print('locked', flush=True); input()"
)


@contextlib.contextmanager
def locked_by_another(place: Path) -> Iterator[int]:
    """Yields the pid of the process with the lock."""
    command = [sys.executable, "-c", LOCK_AND_WAIT, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "locked\n"
        yield other.pid
        other.stdin.close()


@pytest.mark.parametrize("suffix", [".lock", ".turn"])
def test_the_holder_of_a_lock_is_named_and_only_one_thread_waits(file: Path, suffix: str) -> None:
    file.parent.mkdir()
    lock, place = WriteLock(file), Path(f"{file}{suffix}")
    place.touch()
    with locked_by_another(place) as pid:
        before = threading.active_count()
        for _ in range(5):
            with pytest.raises(StoreDown, match=rf"{place} is locked by pid {pid} \("), lock.held(0.1):
                raise AssertionError("two holders at once")
        assert threading.active_count() == before + 1
    with lock.held(30):
        assert lock_holders(Path(f"{file}.lock")) == {os.getpid()}
    eventually(lambda: not lock_holders(Path(f"{file}.lock")) and not lock_holders(Path(f"{file}.turn")))


def test_a_failed_lock_leaves_no_file_open(file: Path) -> None:
    Path(f"{file}.lock").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(IsADirectoryError), WriteLock(file).held(0.1):
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_lock_file_that_was_replaced_is_opened_again(file: Path) -> None:
    file.parent.mkdir()
    lock, place = WriteLock(file), Path(f"{file}.lock")
    with lock.held(30):
        pass
    place.rename(f"{place}.aside")  # which still leads to what is open
    place.touch()
    found = rf"{place} is locked by pid"
    with locked_by_another(place) as pid, pytest.raises(StoreDown, match=rf"{found} {pid} \("), lock.held(0.1):
        raise AssertionError("two holders at once")
    with lock.held(30):
        assert lock_holders(place) == {os.getpid()}


def test_what_is_kept_open_for_the_next_writers_is_closed_with_the_engine(file: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    engine = open_database(f"sqlite:///{file}")
    for _ in range(2):
        with transaction(engine):
            pass
        opened = len(os.listdir("/proc/self/fd"))
    with transaction(engine):
        assert len(os.listdir("/proc/self/fd")) == opened
    engine.dispose()
    assert len(os.listdir("/proc/self/fd")) == before


FORK_AND_DIE = """
import os, sys, time
from pathlib import Path
from bridge.store.sqlite_lock import write_lock

with write_lock(sys.argv[1]).held(30):
    pass
if not os.fork():
    sys.stdin.read()
    os._exit(0)
with write_lock(sys.argv[1]).held(30):
    print("locked", flush=True)
    time.sleep(3600)
"""


def test_a_forked_process_does_not_keep_the_lock_of_the_one_that_died(file: Path) -> None:
    file.parent.mkdir()
    command = [sys.executable, "-c", FORK_AND_DIE, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdin is not None
        assert parent.stdout.readline() == "locked\n"
        parent.kill()
        parent.wait(30)
        with WriteLock(file).held(30):
            pass
        parent.stdin.close()  # the child ends


def test_concurrent_writers_all_get_the_lock(file: Path) -> None:
    file.parent.mkdir()
    lock, inside, most, done = WriteLock(file), [0], [0], []

    def write() -> None:
        for _ in range(20):
            with lock.held(60):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.001)
                inside[0] -= 1
        done.append(True)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert (len(done), most[0]) == (8, 1)


def test_a_worker_continues_with_a_deleted_file_but_nothing_new_is_accepted(file: Path, engine: sa.Engine) -> None:
    store = StoreDeliveries(engine)
    with accepting(engine) as accept:
        accept("one")
        file.unlink()
        with pytest.raises(StoreDown, match="was deleted"):
            accept("two")
        (claim,) = store.claim(CAPACITIES, at(1))
        store.settle([(claim, Sent({}))], at(2))
        assert StoreReader(engine).deliveries(1)[0].status == "delivered"


def test_a_worker_does_not_claim_from_a_replaced_file(file: Path, engine: sa.Engine) -> None:
    store = StoreDeliveries(engine)
    with accepting(engine) as accept:
        accept("one")
        back_up(f"sqlite:///{file}", file.with_name("copy"))
        file.with_name("copy").rename(file)
        with pytest.raises(StoreDown, match="another file"):
            store.claim(CAPACITIES, at(1))


def test_no_connection_opens_another_file_or_creates_one(file: Path, engine: sa.Engine) -> None:
    with engine.connect():
        file.rename(file.with_name("aside"))
        with pytest.raises(StoreUnavailable, match="was deleted"):
            StoreReader(engine).list_incidents()
        assert not file.exists()
        open_database(f"sqlite:///{file}").dispose()
        with pytest.raises(StoreUnavailable, match="another file"):
            StoreReader(engine).list_incidents()


def test_a_write_ahead_log_recreated_by_sqlite_is_accepted(engine: sa.Engine) -> None:
    """It is deleted with the last connection, which may have been closed after an error."""
    closing: list[Callable[[], None]] = [
        engine.dispose,
        partial(invalidate_one, engine),
        partial(invalidate_one, engine),
    ]
    for close in closing:
        with accepting(engine) as accept:
            accept(f"key-{close}")
        close()
    with accepting(engine) as accept:
        accept("last")


def test_a_file_replaced_while_no_connection_is_open_is_refused(file: Path, engine: sa.Engine) -> None:
    engine.dispose()
    back_up(f"sqlite:///{file}", file.with_name("copy"))
    file.with_name("copy").rename(file)
    with accepting(engine) as accept, pytest.raises(StoreDown, match="another file"):
        accept("one")


def invalidate_one(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.invalidate()


def test_a_file_replaced_during_a_commit_is_refused(file: Path, engine: sa.Engine) -> None:
    def replace(connection: sa.Connection) -> None:
        file.rename(file.with_name("aside"))
        shutil.copy(file.with_name("aside"), file)

    with accepting(engine) as accept:
        sa.event.listen(engine, "commit", replace)
        with pytest.raises(StoreDown, match="another file"):
            accept("one")
        sa.event.remove(engine, "commit", replace)


def test_a_symbolic_link_that_changes_while_the_bridge_runs_is_refused(tmp_path: Path) -> None:
    one, two, link = tmp_path / "one.db", tmp_path / "two.db", tmp_path / "bridge.db"
    for each in (one, two):
        open_database(f"sqlite:///{each}").dispose()
    link.symlink_to(one)
    engine = open_database(f"sqlite:///{link}")
    with accepting(engine) as accept:
        accept("one")
        link.unlink()
        link.symlink_to(two)
        with pytest.raises(StoreDown, match="another file"):
            accept("two")
    engine.dispose()


@pytest.mark.parametrize("name", ["with space.db", "a?b#c%20.db", "ü.db"])
def test_any_file_name_is_accepted(tmp_path: Path, name: str) -> None:
    url = sa.URL.create("sqlite", database=str(tmp_path / name)).render_as_string()
    for _ in range(2):
        engine = open_database(url)
        with accepting(engine) as accept:
            accept("one")
        engine.dispose()
    with contextlib.closing(sqlite3.connect(tmp_path / name)) as connection:
        assert connection.execute("SELECT count(*) FROM incident").fetchall() == [(1,)]


@pytest.fixture
def woken(engine: sa.Engine) -> Iterator[threading.Event]:
    woken = threading.Event()
    listener = Listener(engine, woken.set)
    eventually(lambda: is_woken(engine, woken))
    yield woken
    listener.close()


def is_woken(engine: sa.Engine, woken: threading.Event) -> bool:
    Waker(engine).after_commit()
    return woken.wait(0.1)


def test_all_files_of_the_database_can_be_copied_while_a_worker_listens(
    file: Path, engine: sa.Engine, woken: threading.Event, tmp_path: Path
) -> None:
    """Reading a pipe among them would never end."""
    (tmp_path / "copies").mkdir()
    files = [str(each) for each in file.parent.glob("bridge.db*")]
    assert files
    subprocess.run(["cp", *files, str(tmp_path / "copies")], check=True, timeout=30)


def test_a_deleted_pipe_is_created_again(file: Path, engine: sa.Engine, woken: threading.Event) -> None:
    shutil.rmtree(file.parent / ".bridge.db-wake")
    woken.clear()
    eventually(lambda: is_woken(engine, woken))


def test_one_waker_finds_each_pipe_and_each_listener_that_comes(file: Path, engine: sa.Engine) -> None:
    waker, woken = Waker(engine), threading.Event()

    def is_woken_again() -> bool:
        waker.after_commit()
        return woken.wait(0.1)

    for is_deleted in (False, False, True):
        waker.after_commit()
        if is_deleted:
            shutil.rmtree(file.parent / ".bridge.db-wake")
        listener = Listener(engine, woken.set)
        eventually(is_woken_again)
        listener.close()
        woken.clear()


def test_a_waker_that_is_gone_leaves_no_file_open(engine: sa.Engine, woken: threading.Event) -> None:
    def opened() -> int:
        return len([each for each in Path("/proc/self/fd").iterdir() if "-wake" in os.path.realpath(each)])

    before, waker = opened(), Waker(engine)
    waker.after_commit()
    assert opened() == before + 1
    del waker
    assert opened() == before


def test_two_bridges_in_one_folder_wake_only_their_own_worker(tmp_path: Path) -> None:
    engines = [open_database(f"sqlite:///{tmp_path}/{name}.db") for name in ("a", "b")]
    woken_events = [threading.Event(), threading.Event()]
    listeners = [Listener(engine, event.set) for engine, event in zip(engines, woken_events, strict=True)]
    for engine, event in zip(engines, woken_events, strict=True):
        eventually(partial(is_woken, engine, event))
        event.clear()
    Waker(engines[0]).after_commit()
    assert woken_events[0].wait(30) and not woken_events[1].is_set()
    for listener in listeners:
        listener.close()


def test_each_worker_of_one_file_is_woken(file: Path, engine: sa.Engine, woken: threading.Event) -> None:
    second = threading.Event()
    listener = Listener(engine, second.set)
    eventually(lambda: has_listener(file.parent / ".bridge.db-wake" / "pipe-2"))
    woken.clear()
    second.clear()
    Waker(engine).after_commit()
    assert woken.wait(60)
    assert second.wait(60)
    listener.close()


def test_a_worker_is_woken_while_another_is_down_which_gets_its_pipe_back(file: Path, engine: sa.Engine) -> None:
    events = [threading.Event(), threading.Event(), threading.Event()]
    pipes = [file.parent / ".bridge.db-wake" / name for name in ("pipe", "pipe-2")]
    first = Listener(engine, events[0].set)
    eventually(partial(has_listener, pipes[0]))
    second = Listener(engine, events[1].set)
    eventually(partial(has_listener, pipes[1]))
    first.close()
    Waker(engine).after_commit()
    assert events[1].wait(60)
    again = Listener(engine, events[2].set)
    eventually(partial(has_listener, pipes[0]))
    Waker(engine).after_commit()
    assert events[2].wait(60)
    for listener in (second, again):
        listener.close()
    assert sorted(each.name for each in pipes[0].parent.iterdir()) == ["pipe", "pipe-2"]


def has_listener(pipe: Path) -> bool:
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:  # there is none, or nobody reads it
        return False
    return True


def test_the_pipe_of_an_earlier_version_is_removed(file: Path, engine: sa.Engine) -> None:
    former = Path(f"{file}.wake")
    os.mkfifo(former)
    listener = Listener(engine, lambda: None)
    eventually(lambda: not former.exists())
    listener.close()


def test_another_file_in_the_place_of_the_pipe_is_not_used(file: Path, engine: sa.Engine) -> None:
    place = file.parent / ".bridge.db-wake" / "pipe"
    place.parent.mkdir()
    place.write_text("precious")
    with capture_logs() as lines:
        listener = Listener(engine, lambda: None)
        eventually(lambda: [line for line in lines if line["event"] == "not_woken" and str(place) in line["why"]])
        Waker(engine).after_commit()
        listener.close()
    assert place.read_text() == "precious"
    with open(place) as free:
        fcntl.flock(free, fcntl.LOCK_EX | fcntl.LOCK_NB)
