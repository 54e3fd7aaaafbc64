"""The one screen: its commands can be copied as they are."""

import shlex
from pathlib import Path

from stack.ports import Ports
from stack.screen import screen

AMTOOL = Path("/some where/amtool")


def test_each_tier_has_a_command_for_the_shell() -> None:
    lines = [line.strip() for line in screen(Ports(alertmanager=1093), AMTOOL).splitlines()]
    commands = [shlex.split(line) for line in lines if "alert add" in line]
    assert [words[5] for words in commands] == ["severity=critical", "severity=warning", "severity=info"]
    assert {tuple(words[:4]) for words in commands} == {
        ("/some where/amtool", "--alertmanager.url=http://127.0.0.1:1093", "alert", "add")
    }


def test_it_fits_one_screen() -> None:
    assert len(screen(Ports(), AMTOOL).splitlines()) <= 24
