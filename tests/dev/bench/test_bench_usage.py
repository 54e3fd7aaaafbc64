"""Memory and machine are read as the kernel writes them."""

from __future__ import annotations

import os

from dev.bench.machine import BUSY, cpu_model, described
from dev.bench.usage import PEAK, PSS, cpu_seconds, family, kilobytes, pss_megabytes, sampled_memory

ROLLUP = """\
5581eaf74000-7ffd4a5b0000 ---p 00000000 00:00 0                          [rollup]
Rss:               31232 kB
Pss:               21718 kB
Pss_Dirty:         19016 kB
Pss_Anon:          18868 kB
SwapPss:               0 kB
"""
KNOWN = {"date": "2026-01-02 03:04 UTC", "cpu": "Some Chip", "cores": 2, "python": "3.11.7", "kernel": "6.1"}
KNOWN |= {"alertmanager": "0.25.0", "fdatasync_ms": 0.3}


def test_of_the_rollup_the_proportional_size_counts_and_no_other() -> None:
    assert kilobytes(PSS, ROLLUP) == 21718
    assert kilobytes(PSS, "") == 0
    assert kilobytes(PEAK, "VmPeak:\t 9 kB\nVmHWM:\t   5120 kB\n") == 5120


def test_this_process_is_measured_with_its_family() -> None:
    assert os.getpid() in family(os.getpid())
    assert cpu_seconds(os.getpid()) > 0
    with sampled_memory(os.getpid()) as memory:
        pass
    assert memory.peak > 1
    assert pss_megabytes(2**22 + 1) == 0  # no such process


def test_a_machine_that_others_use_is_said_to_be() -> None:
    assert "**" not in described({**KNOWN, "load": BUSY})
    assert "**The load average was 7.5 before it began" in described({**KNOWN, "load": 7.5})
    assert "2 cores of Some Chip, Linux 6.1, Python 3.11.7, Alertmanager 0.25.0" in described({**KNOWN, "load": 0.1})


def test_a_processor_has_its_name() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: AMD EPYC 7B13 \nflags\t: fpu\n") == "AMD EPYC 7B13"
    assert cpu_model("") != ""
