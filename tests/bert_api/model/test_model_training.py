"""Retraining for real on a part of the corpus: another head, a refusal of a worse one, and a record of each run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from bert_api import corpus
from bert_api.corpus import Sentence
from bert_api.model import head
from bert_api.model.classifier import load
from bert_api.model.versions import SHIPPED, Versions
from bert_api.training import judging
from bert_api.training.feedback import FeedbackError, read
from bert_api.training.history import RunHistory
from bert_api.training.retrain import Outcome, retrain

CUSTOM = "Your spreadsheet is a walrus."


def written(start: int) -> list[Sentence]:
    """Every third sentence of those that were written by hand."""
    return [one for one in corpus.load() if one.origin == "written"][start::3]


@pytest.fixture(scope="module")
def part() -> list[Sentence]:
    return written(0)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, part: list[Sentence]) -> tuple[Path, Outcome]:
    """A state folder in which a version trained on that part alone is served."""
    state = tmp_path_factory.mktemp("state")
    versions = Versions(SHIPPED, state)
    outcome = retrain(versions, RunHistory(state), "schedule", force=True, sentences=part, clock=Clock())
    assert outcome.version is not None
    versions.activate(outcome.version)
    return state, outcome


class Clock:
    """Ten seconds go by between two readings of the clock."""

    def __init__(self) -> None:
        self._times: Iterator[int] = count(1000, 10)

    def __call__(self) -> float:
        return float(next(self._times))


def feedback(tmp_path: Path, rows: list[tuple[str, str]]) -> Path:
    path = tmp_path / "feedback.csv"
    lines = ['"{}",{}'.format(text.replace('"', '""'), label) for text, label in rows]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_model_trained_on_less_is_worse_and_only_written_when_forced(
    first: tuple[Path, Outcome], part: list[Sentence], tmp_path: Path
) -> None:
    forced = first[1]
    assert forced.detail.startswith("forced although the new model is worse: Brier")
    versions, history = Versions(SHIPPED, tmp_path), RunHistory(tmp_path)
    outcome = retrain(versions, history, "schedule", sentences=part)
    assert (outcome.status, outcome.version, outcome.current) == ("rejected", None, "1.1.0")
    assert outcome.after.brier > outcome.before.brier
    assert versions.names() == ["1.0.0", "1.1.0"] and [run.status for run in history.read()] == ["rejected"]


def test_feedback_changes_the_head_and_the_verdict(
    first: tuple[Path, Outcome], part: list[Sentence], tmp_path: Path
) -> None:
    versions = Versions(SHIPPED, first[0])
    before = load(versions.folder(versions.current())).predict([CUSTOM])[0]
    more = [(one.text, "toxic" if one.toxic else "non_toxic") for one in written(1) if not one.held_out]
    rows = [(CUSTOM, "toxic"), (f"{CUSTOM} Again.", "toxic"), (f"I say it: {CUSTOM}", "toxic"), *more]
    outcome = retrain(versions, RunHistory(first[0]), "manual", feedback(tmp_path, rows), sentences=part, clock=Clock())
    assert outcome.status == "succeeded" and outcome.version is not None
    after = load(versions.folder(outcome.version)).predict([CUSTOM])[0]
    assert after.probability > before.probability + 0.1
    old, new = (head.read(versions.folder(version)) for version in (outcome.current, outcome.version))
    assert not np.allclose(old.weights, new.weights)
    described = json.loads((versions.folder(outcome.version) / "model.json").read_text())
    assert len(rows) == described["training"]["feedback"]


def test_poisoned_feedback_is_refused(first: tuple[Path, Outcome], part: list[Sentence], tmp_path: Path) -> None:
    versions, history = Versions(SHIPPED, first[0]), RunHistory(first[0])
    names = versions.names()
    flipped = [(one.text, "non_toxic" if one.toxic else "toxic") for one in part if not one.held_out]
    outcome = retrain(versions, history, "drift", feedback(tmp_path, flipped[: len(flipped) // 2]), sentences=part)
    assert outcome.status == "rejected" and "the new model is worse" in outcome.detail
    assert names == versions.names() and history.read()[-1].status == "rejected"


def test_the_same_sentences_give_the_same_head(
    first: tuple[Path, Outcome], part: list[Sentence], tmp_path: Path
) -> None:
    versions = Versions(SHIPPED, tmp_path)
    again = retrain(versions, RunHistory(tmp_path), "manual", force=True, sentences=part)
    assert again.version is not None and first[1].version is not None
    folders = versions.folder(again.version), Versions(SHIPPED, first[0]).folder(first[1].version)
    one, two = (head.read(folder) for folder in folders)
    assert np.allclose(one.weights, two.weights, atol=1e-4) and one.bias == pytest.approx(two.bias, abs=1e-4)


def test_a_finished_run_is_recorded_with_its_times_and_version(first: tuple[Path, Outcome]) -> None:
    run = RunHistory(first[0]).read()[0]
    assert (run.trigger, run.status, run.version) == ("schedule", "succeeded", first[1].version)
    assert (run.started_at, run.finished_at) == (1000.0, 1010.0)


def test_a_run_that_fails_is_recorded_as_failed_without_a_users_text(tmp_path: Path) -> None:
    versions, history = Versions(SHIPPED, tmp_path / "state"), RunHistory(tmp_path / "state")
    with pytest.raises(FeedbackError):
        retrain(versions, history, "manual", feedback(tmp_path, [("private words", "nasty")]))
    assert [(run.status, run.detail) for run in history.read()] == [("failed", "FeedbackError")]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("words,label\na,toxic\n", "missing: text"),
        ("text,label\n", "holds no rows"),
        ("text,label\nfine,nice\n", "line 2: the label is 'nice'; it must be one of toxic, non_toxic, 1, 0"),
        ("text,label\nfine,toxic\n ,toxic\n", "line 3: the text is empty"),
        ("", "missing: text, label"),
    ],
    ids=["columns", "no rows", "label", "empty text", "empty file"],
)
def test_feedback_with_a_fault_is_refused_with_its_place(tmp_path: Path, content: str, text: str) -> None:
    path = tmp_path / "feedback.csv"
    path.write_text(content)
    with pytest.raises(FeedbackError, match=text):
        read(path)


def test_feedback_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(FeedbackError, match="cannot be read as CSV"):
        read(tmp_path / "none.csv")


def two_sentences() -> list[Sentence]:
    return [
        Sentence("a", True, "insult", "a", "written"),
        Sentence("b", False, "polite", "b", "written"),
    ]


def test_the_scores_of_a_half_right_judgement_are_what_the_formulas_give() -> None:
    scores = judging.judge(np.array([0.8, 0.6]), two_sentences())
    assert (scores.accuracy, scores.auc) == (0.5, 1.0)
    assert pytest.approx(scores.brier) == (0.04 + 0.36) / 2
    assert pytest.approx(scores.calibration_error) == (0.2 + 0.6) / 2
    assert scores.right == {"insult": 1.0, "polite": 0.0}
    assert [scores.reliability[index].count for index in (6, 8)] == [1, 1]


def test_the_baseline_weighs_toxic_texts_as_everyday_traffic_has_them() -> None:
    shares = dict(judging.baseline(np.array([0.62, 0.03]), two_sentences()))
    assert pytest.approx(judging.REFERENCE_TOXIC_SHARE) == shares[0.65]
    assert shares[0.6] == 0.0 and shares[1.0] == 1.0
