"""The benchmark of the toxicity API works. It asserts no times: those depend on the machine."""

from __future__ import annotations

import math

import pytest

import dev.bench.bert.measuring as measuring


def test_a_glance_measures_everything_and_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "QUICK", measuring.Size(0.3, 0.1))
    monkeypatch.setattr(measuring, "TOKENS", (16,))
    (figures,) = measuring.measure(quick=True).values()
    assert all(math.isfinite(value) for value in figures.values())
    assert {value for name, value in figures.items() if name.endswith("refused")} == {0.0}
    assert figures["RSS at rest, MB"] > 0
