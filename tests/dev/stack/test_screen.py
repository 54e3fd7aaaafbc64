"""The one screen: its commands can be copied as they are."""

import shlex
from pathlib import Path

import pytest

from dev.stack.ports import Ports
from dev.stack.screen import screen
from dev.stack.speed import Tempo

AMTOOL = Path("/some where/amtool")


def test_each_tier_has_a_command_for_the_shell() -> None:
    lines = [line.strip() for line in screen(Ports(alertmanager=1093), AMTOOL, Tempo(30)).splitlines()]
    commands = [shlex.split(line) for line in lines if "alert add" in line]
    assert [words[5] for words in commands] == ["severity=critical", "severity=warning", "severity=info"]
    assert {tuple(words[:4]) for words in commands} == {
        ("/some where/amtool", "--alertmanager.url=http://127.0.0.1:1093", "alert", "add")
    }


@pytest.mark.parametrize("speed", [1, 30])
def test_it_fits_one_screen_at_every_speed(speed: int) -> None:
    assert len(screen(Ports(), AMTOOL, Tempo(speed)).splitlines()) <= 24


def test_it_says_what_faster_time_means() -> None:
    assert "Time is real" in screen(Ports(), AMTOOL, Tempo(1))
    assert "30 times faster for the rules: a range of `5m` is 10 s" in screen(Ports(), AMTOOL, Tempo(30))
