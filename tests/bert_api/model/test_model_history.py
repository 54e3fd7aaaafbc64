"""The record of retraining runs: it survives crashes and says what became of each run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bert_api.training.history import FILE, Run, RunHistory


@pytest.fixture
def history(tmp_path: Path) -> RunHistory:
    return RunHistory(tmp_path)


def test_nothing_ran_yet(history: RunHistory) -> None:
    assert history.read() == []


def test_a_run_shows_its_start_and_its_end(history: RunHistory) -> None:
    run = history.started("minilm", "drift", 100.0)
    history.finished(run, 160.0, "succeeded", "1.2.0", "better")
    assert history.read() == [Run(run, "minilm", "drift", 100.0, 160.0, "succeeded", "1.2.0", "better")]


def test_a_run_that_was_killed_stays_running_and_the_next_one_is_read(history: RunHistory) -> None:
    history.started("minilm", "manual", 1.0)
    history.finished(history.started("minilm", "manual", 2.0), 3.0, "rejected")
    assert [run.status for run in history.read()] == ["running", "rejected"]


@pytest.mark.parametrize("torn", [1, 5, 40])
def test_a_line_torn_by_a_crash_costs_only_itself(history: RunHistory, tmp_path: Path, torn: int) -> None:
    first = history.started("minilm", "manual", 1.0)
    history.started("minilm", "manual", 2.0)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-torn])
    third = history.started("minilm", "schedule", 3.0)
    names = [run.run for run in history.read()]
    assert (first, third) == (names[0], names[-1])


def test_lines_that_are_no_events_are_skipped(history: RunHistory, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'\xff\xfe\n[1, 2]\n{"event": "started"}\nnull\n')
    run = history.started("minilm", "manual", 1.0)
    assert [one.run for one in history.read()] == [run]


def test_runs_written_at_the_same_time_are_all_kept(history: RunHistory) -> None:
    with ThreadPoolExecutor(8) as threads:
        runs = set(threads.map(lambda at: history.started("minilm", "manual", float(at)), range(40)))
    assert runs == {run.run for run in history.read()}
