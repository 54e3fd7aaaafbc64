"""Tools: found on PATH or in .tools, by either name, and a missing one is explained."""

from pathlib import Path

import pytest

from dev.stack import apt, binaries
from dev.stack.errors import StackError


def program(folder: Path, name: str, code: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\nexit {code}\n")
    file.chmod(0o755)
    return file


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "TOOLS", tmp_path / ".tools")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


def test_path_comes_before_tools(tmp_path: Path) -> None:
    program(tmp_path / ".tools" / "usr" / "bin", "promtool")
    expected = program(tmp_path / "path", "promtool")
    assert binaries.find("promtool") == expected


def test_debian_calls_the_alertmanager_otherwise(tmp_path: Path) -> None:
    expected = program(tmp_path / ".tools" / "usr" / "bin", "prometheus-alertmanager")
    assert binaries.find("alertmanager") == expected


def test_a_program_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "path", "amtool", code=126)
    expected = program(tmp_path / ".tools" / "usr" / "bin", "amtool")
    assert binaries.find("amtool") == expected


def test_a_missing_tool_says_how_to_get_it() -> None:
    with pytest.raises(StackError, match="Run `make tools`"):
        binaries.find("promtool")


def test_without_apt_the_ways_to_install_are_named() -> None:
    with pytest.raises(StackError, match=r"(?s)has no apt-get and no dpkg-deb.*sudo apt install prometheus"):
        binaries.ensure(lambda text: None)


def test_nothing_is_fetched_when_all_are_there(tmp_path: Path) -> None:
    for name in binaries.PACKAGES:
        program(tmp_path / "path", name)
    said: list[str] = []
    assert set(binaries.ensure(said.append)) == set(binaries.PACKAGES)
    assert said == []


def test_only_the_named_ones_are_wanted(tmp_path: Path) -> None:
    for name in binaries.STACK:
        program(tmp_path / "path", name)
    assert set(binaries.ensure(lambda text: None, binaries.STACK)) == set(binaries.STACK)


def test_nginx_is_a_program_of_the_administrator_and_knows_no_long_option(tmp_path: Path) -> None:
    file = program(tmp_path / ".tools" / "usr" / "sbin", "nginx")
    file.write_text('#!/bin/sh\ntest "$1" = -v\n')
    assert binaries.find("nginx") == file


def test_a_name_that_is_no_tool_is_refused() -> None:
    with pytest.raises(StackError, match="none of the tools"):
        binaries.find("grafana")


def test_fetched_programs_look_for_their_files_beside_them(tmp_path: Path) -> None:
    file = program(tmp_path / "bin", "alertmanager")
    file.write_bytes(b"\0/usr/share/prometheus/alertmanager\0")
    apt.relocate(file.parent)
    assert file.read_bytes() == b"\0.//./share/prometheus/alertmanager\0"
    assert file.stat().st_mode & 0o111
