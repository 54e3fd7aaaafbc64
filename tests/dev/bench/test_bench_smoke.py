"""The benchmark itself works. It asserts no times: those depend on the machine."""

from __future__ import annotations

from dev.bench.measuring import Size, storm


def test_a_tiny_storm_reaches_every_channel_once() -> None:
    figures = storm("bridge", Size(storm_groups=20))
    assert (figures["lost"], figures["doubled"], figures["refused"]) == (0, 0, 0)
