"""Which version is served: chosen, taken back, and never half written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bert_api.model.errors import ModelLoadError, VersionError
from bert_api.model.versions import POINTER, SHIPPED, Versions


def test_without_a_choice_the_newest_shipped_version_is_served(versions: Versions) -> None:
    assert (versions.names(), versions.current()) == (["1.0.0", "1.1.0"], "1.1.0")


def test_activating_returns_what_was_served_before(versions: Versions) -> None:
    assert versions.activate("1.0.0") == "1.1.0"
    assert versions.current() == "1.0.0"


def test_rolling_back_walks_through_the_history(versions: Versions) -> None:
    versions.activate("1.0.0")
    versions.activate("1.1.0")
    assert [versions.rollback(), versions.rollback()] == ["1.0.0", "1.1.0"]


def test_activating_the_served_version_again_is_no_step_to_roll_back(versions: Versions) -> None:
    versions.activate("1.0.0")
    versions.activate("1.0.0")
    assert versions.rollback() == "1.1.0"


def test_without_history_there_is_nothing_to_roll_back_to(versions: Versions) -> None:
    with pytest.raises(VersionError, match=r"1\.1\.0 is the first version"):
        versions.rollback()


@pytest.mark.parametrize("version", ["9.9.9", "..", "1.0.0/../1.1.0", "", "latest"])
def test_a_version_that_is_not_there_is_refused_with_those_that_are(versions: Versions, version: str) -> None:
    with pytest.raises(VersionError, match=r"There are: 1\.0\.0, 1\.1\.0"):
        versions.activate(version)
    assert versions.current() == "1.1.0"


def test_the_choice_is_seen_by_another_process_and_survives(versions: Versions) -> None:
    versions.activate("1.0.0")
    assert Versions(SHIPPED, versions.state).current() == "1.0.0"


def test_a_broken_pointer_says_what_to_do(versions: Versions) -> None:
    (versions.state / POINTER).write_text('{"current": "1.0')
    with pytest.raises(VersionError, match="Delete it and deploy again"):
        versions.current()


def prepared(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for path in (SHIPPED / "1.1.0").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    document = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**document, "version": version}))
    return folder


def test_an_added_version_can_be_served_and_the_shipped_folder_stays_as_it_was(
    versions: Versions, tmp_path: Path
) -> None:
    assert versions.next() == "1.2.0"
    assert versions.add(prepared(tmp_path / "new", "1.2.0")) == "1.2.0"
    versions.activate("1.2.0")
    assert versions.folder("1.2.0").is_relative_to(versions.state)
    assert sorted(path.name for path in SHIPPED.iterdir()) == ["1.0.0", "1.1.0"]


def test_a_new_version_is_not_served_before_a_user_says_so(versions: Versions, tmp_path: Path) -> None:
    versions.add(prepared(tmp_path / "new", "1.2.0"))
    assert versions.current() == "1.1.0"


def test_the_tenth_minor_version_comes_after_the_ninth(versions: Versions, tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        versions.add(prepared(tmp_path / version, version))
    assert (versions.names()[-1], versions.next()) == ("1.10.0", "1.11.0")


def test_a_version_is_never_overwritten(versions: Versions, tmp_path: Path) -> None:
    with pytest.raises(VersionError, match="never overwritten"):
        versions.add(prepared(tmp_path / "new", "1.1.0"))


def test_a_folder_without_a_description_is_not_added(versions: Versions, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"model\.json cannot be read"):
        versions.add(tmp_path)


def test_what_a_killed_add_left_behind_is_no_version_and_in_no_ones_way(versions: Versions, tmp_path: Path) -> None:
    (versions.state / "versions" / ".1.2.0.partial").mkdir()
    assert versions.names() == ["1.0.0", "1.1.0"]
    assert versions.add(prepared(tmp_path / "new", "1.2.0")) == "1.2.0"


def test_readers_only_ever_see_whole_pointers(versions: Versions) -> None:
    versions.activate("1.0.0")

    def switch(number: int) -> str:
        return versions.activate("1.0.0" if number % 2 else "1.1.0")

    with ThreadPoolExecutor(4) as threads:
        switching = [threads.submit(switch, number) for number in range(40)]
        seen = {versions.current() for _ in range(300)}
        assert {"1.0.0", "1.1.0"} >= {future.result() for future in switching} | seen


def test_a_writer_killed_at_any_time_leaves_a_pointer_that_reads(versions: Versions) -> None:
    code = (
        "import sys; from pathlib import Path; from bert_api.model.versions import Versions, SHIPPED\n"
        "versions = Versions(SHIPPED, Path(sys.argv[1])); print('ready', flush=True)\n"
        "while True:\n"
        "    versions.activate('1.0.0'); versions.activate('1.1.0')\n"
    )
    for pause in (0.0, 0.003, 0.01, 0.02):
        with subprocess.Popen([sys.executable, "-c", code, versions.state], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
            time.sleep(pause)
            os.kill(writer.pid, signal.SIGKILL)
        assert versions.current() in versions.names()
        assert "1.0.0" in {versions.activate("1.0.0"), versions.current()}
