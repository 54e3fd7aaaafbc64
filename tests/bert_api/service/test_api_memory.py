"""Memory of a control group where it says something about us, resident memory elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bert_api.service.memory import Memory

PAGE = os.sysconf("SC_PAGE_SIZE")


class Machine:
    """A folder that stands for /sys/fs/cgroup, and one for /proc/self."""

    def __init__(self, folder: Path) -> None:
        self.root, self.process = folder / "cgroup", folder / "proc"
        self.root.mkdir()
        self.process.mkdir()
        (self.process / "statm").write_text("900 70 30 1 0 50 0")

    def group(self, path: str, **files: str) -> None:
        (self.root / path).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (self.root / path / name.replace("_", ".", 1)).write_text(content)

    def says(self, text: str) -> Memory:
        (self.process / "cgroup").write_text(text)
        return Memory(self.root, self.process)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_limited_group_is_measured_as_the_kubelet_counts_it(machine: Machine) -> None:
    machine.group("pod", memory_current="500\n", memory_max="2000\n", memory_stat="anon 9\ninactive_file 120\n")
    memory = machine.says("0::/pod\n")
    assert (memory.usage(), memory.limit()) == (380, 2000)


def test_seen_from_inside_a_container_the_root_is_our_group(machine: Machine) -> None:
    machine.group("", memory_current="500", memory_max="2000", memory_stat="")
    memory = machine.says("0::/../../kubepods/pod1\n")
    assert (memory.usage(), memory.limit()) == (500, 2000)


def test_no_limit_is_zero_and_a_group_of_our_own_still_shows_its_usage(machine: Machine) -> None:
    machine.group("pod", memory_current="500", memory_max="max", memory_stat="", cgroup_procs="17\n")
    memory = machine.says("0::/pod\n")
    assert (memory.usage(), memory.limit()) == (500, 0)


def test_an_unlimited_group_with_other_processes_says_nothing_about_us(machine: Machine) -> None:
    machine.group("session", memory_current="99999999", memory_max="max", cgroup_procs="17\n18\n")
    memory = machine.says("0::/session\n")
    assert (memory.usage(), memory.limit()) == (70 * PAGE, 0)


@pytest.mark.parametrize("text", ["", "4:memory:/old\n", "0::/nowhere\n"], ids=["none", "version 1", "not mounted"])
def test_without_such_a_group_resident_memory_is_measured(machine: Machine, text: str) -> None:
    memory = machine.says(text)
    assert (memory.usage(), memory.limit()) == (70 * PAGE, 0)


def test_of_this_process_it_measures_something_plausible() -> None:
    assert 1e6 < Memory().usage() < 1e12
    assert Memory().limit() >= 0
