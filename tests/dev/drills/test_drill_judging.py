"""What counts as right, honestly none, missed, wrong and dangerous."""

from __future__ import annotations

from typing import Any

import pytest

from dev.drills.judging import Judgement, Known, Score, enough, judge
from dev.drills.reading import Said
from dev.drills.scenario import Fires, Scenario, Serves, Truth

TRUTH: dict[str, Any] = {
    "cause": "1.5.0 fails", "must": ("1\\.5\\.0",), "must_not": ("traffic",), "dangerous": ("roll back to 1\\.5\\.0",),
}  # fmt: skip
FAILED = {"1.4.0": (1, 500), "1.5.0": (200, 500), "toxicity-api-0": (201, 1000)}


def scenario(**truth: Any) -> Scenario:
    serves = (Serves(version="1.4.0"), Serves(version="1.5.0", ago=600))
    fires = (Fires(alert="MLErrorRateCritical"),)
    return Scenario(name="it", title="It", serves=serves, fires=fires, truth=Truth(**{**TRUTH, **truth}))


def said(cause: str, *, confidence: str = "likely", page: str = "", facts: tuple[dict[str, Any], ...] = ()) -> Said:
    return Said(cause, "a_rule" if cause else "", confidence, "", facts, {"PagerDuty": f"{cause} {page}"})


def judged(one: Said, *, silent: bool = False, rule_texts: tuple[str, ...] = (), **truth: Any) -> Judgement:
    return judge(scenario(**truth), one, Known(FAILED, rule_texts, silent))


@pytest.mark.parametrize(
    ("cause", "truth", "score"),
    [
        ("1.5.0 fails (200 of 500 against 1 of 500 by 1.4.0)", {}, Score.RIGHT),
        ("", {}, Score.MISSED),
        ("", {"none": "acceptable"}, Score.NONE),
        ("", {"none": "right", "must": ()}, Score.NONE),
        ("1.5.0 was deployed", {"none": "right", "must": ()}, Score.WRONG),
        ("One pod fails", {}, Score.WRONG),
        ("The traffic rose with 1.5.0", {}, Score.WRONG),
        ("1.5.0 fails", {"likely": False}, Score.WRONG),
        ("1.6.0 fails since 1.5.0", {}, Score.WRONG),
        ("1.5.0 fails on toxicity-api-7", {}, Score.WRONG),
        ("1.4.0 fails", {}, Score.DANGEROUS),
        ("1.4.0 does not fail, 1.5.0 does", {}, Score.RIGHT),
    ],
)
def test_the_cause_line(cause: str, truth: dict[str, Any], score: Score) -> None:
    assert judged(said(cause), **truth).score is score


def test_possible_is_not_too_sure() -> None:
    assert judged(said("1.5.0 fails", confidence="possible"), likely=False).score is Score.RIGHT


def test_what_any_message_says_may_be_dangerous() -> None:
    found = judged(said("1.5.0 fails", page="First roll back to 1.5.0"))
    assert found.score is Score.DANGEROUS
    assert "roll back to 1.5.0" in found.why


def test_a_cause_must_be_in_every_message_though_not_to_the_minute() -> None:
    one = Said(
        "1.5.0 fails since 7 min", "a_rule", "likely", "", (), {"PagerDuty": "1.5.0 *fails* since 6 min", "mail": ""}
    )
    found = judged(one)
    assert (found.score, found.why) == (Score.WRONG, "the cause is missing in mail")


@pytest.mark.parametrize(("count", "score"), [(2, Score.RIGHT), (0, Score.DANGEROUS)])
def test_pods_that_answer_are_not_called_gone(count: int, score: Score) -> None:
    one = said(f"{count} of 3 pods answer Prometheus since 1.5.0")
    assert judge(scenario(), one, Known(FAILED, answering=2)).score is score


def test_the_texts_of_the_rule_are_no_conclusions() -> None:
    text = "More than one in twenty fails. If in doubt, *roll back to 1.5.0*."
    assert judged(said("1.5.0 fails", page=text), rule_texts=(text,)).score is Score.RIGHT


def fact(**more: Any) -> dict[str, Any]:
    return {"title": "Failed", "role": "errors_by_version", "verdict": "neutral", "parts": [], **more}


@pytest.mark.parametrize(
    "wrong",
    [
        fact(parts=[{"name": "1.5.0", "value": 9.0, "of": 5.0}]),
        fact(parts=[{"name": "1.4.0", "value": 54.0, "of": 100.0}]),
    ],
)
def test_numbers_that_cannot_be_are_wrong(wrong: dict[str, Any]) -> None:
    assert judged(said("1.5.0 fails", facts=(wrong,))).score is Score.WRONG


def test_nothing_is_good_that_is_not_measured() -> None:
    facts = (fact(verdict="good"),)
    assert judged(said("", facts=facts), none="acceptable").score is Score.NONE
    assert judged(said("", facts=facts), none="acceptable", silent=True).score is Score.WRONG


def test_a_fact_that_is_not_said_is_named_beside_the_score() -> None:
    found = judged(said("1.5.0 fails"), said=("2 of 3", "fails"))
    assert (found.score, found.unsaid) == (Score.RIGHT, ("2 of 3",))


@pytest.mark.parametrize(
    ("scores", "passes"),
    [
        ([Score.RIGHT] * 8 + [Score.NONE, Score.WRONG], True),
        ([Score.RIGHT] * 8 + [Score.MISSED, Score.WRONG], False),
        ([Score.RIGHT] * 99 + [Score.DANGEROUS], False),
    ],
)
def test_nine_of_ten_and_none_dangerous(scores: list[Score], passes: bool) -> None:
    assert enough([Judgement(score, "") for score in scores]) is passes
