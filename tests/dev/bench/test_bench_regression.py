"""A notification that costs more than it did is found, and a disturbed round is not taken for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.bench import keeping, regression
from dev.bench.regression import MORE_ROUNDS, ROUNDS, Measure, Rounds, fault, limit_of, measure


def costs(*own: float) -> Measure:
    """Of the bridge, in turn; Alertmanager's is 1."""
    left: Iterator[float] = iter(own)
    return lambda name: next(left) if name == "bridge" else 1.0


def test_the_systems_take_turns_and_three_rounds_are_enough_when_they_are_cheap() -> None:
    asked: list[str] = []

    def one(name: str) -> float:
        asked.append(name)
        return 1.0

    assert measure(1.2, one).ratio == 1.0
    assert asked == ["bridge", "alertmanager"] * ROUNDS


def test_what_is_too_much_is_measured_again_before_it_counts() -> None:
    rounds = measure(1.2, costs(1.0, 2.0, 2.0, 1.0, 1.0))
    assert (len(rounds.own), rounds.ratio) == (ROUNDS + MORE_ROUNDS, 1.0)
    assert fault(rounds, 1.0) is None


def test_what_stays_too_much_fails_and_says_what_to_do() -> None:
    rounds = measure(1.2, costs(*[1.3] * 5))
    assert len(rounds.own) == ROUNDS + MORE_ROUNDS
    found = fault(rounds, 1.0)
    assert found is not None
    for word in ("1.30 times", "1.20 the most", "docs/performance.md", "regression --store"):
        assert word in found


def test_a_fifth_more_is_allowed() -> None:
    assert fault(Rounds([1.19], [1.0]), 1.0) is None
    assert limit_of(2.0) == pytest.approx(2.4)


def test_no_round_begins_when_it_has_taken_long() -> None:
    times = iter((0.0, regression.LONGEST + 1))
    rounds = measure(1.2, costs(*[1.3] * 5), lambda: next(times))
    assert len(rounds.own) == ROUNDS


def test_a_new_ratio_is_kept_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regression, "keep", lambda name, content: keeping.keep(name, content, tmp_path))
    monkeypatch.setattr(regression, "machine", lambda: {"cores": 2})
    regression.store(Rounds([2.0], [1.0]), "charts in every message")
    found = keeping.kept(regression.NAME, tmp_path)
    assert (found["ratio"], found["reason"], found["machine"]) == (2.0, "charts in every message", {"cores": 2})


def test_there_is_a_stored_ratio() -> None:
    assert regression.stored_ratio() > 0
