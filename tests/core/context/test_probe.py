"""Model or world: what golden texts prove, and what they do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.context.causes import decide
from bridge.core.context.evidence import evidence_of
from bridge.core.context.golden_set import GoldenFault, golden_set
from bridge.core.context.probe import (
    PROBE,
    PROBE_CONFIDENCE,
    Answered,
    Baseline,
    Probed,
    TargetAnswer,
    Unanswered,
    judged,
    sentence,
)
from bridge.core.facts import ChangeEvent, Part, Verdict

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EARLIER, LONG_AGO = NOW - timedelta(hours=1), NOW - timedelta(days=3)
DOWN = Unanswered("api-2", "HTTP 503")


def answered(version: str, wrong: int, target: str = "api-0", asked: int = 50, sure: float | None = None) -> Answered:
    return Answered(target, version, wrong, asked, sure)


def after_deploy(version: str, wrong: int, at: datetime = LONG_AGO, sure: float | None = None) -> Baseline:
    return Baseline(version, wrong, 50, at, sure)


V1, V2 = after_deploy("1.1.0", 1), after_deploy("2.0.0", 1, EARLIER)
BORN_BAD = after_deploy("2.0.0", 21, EARLIER)

TABLE: list[tuple[list[TargetAnswer], list[Baseline], str]] = [
    (
        [answered("1.1.0", 0), answered("1.1.0", 0, "api-1")],
        [after_deploy("1.1.0", 0)],
        "Answers its golden set (50 of 50 right, as after the last deploy): the traffic changed",
    ),
    (
        [answered("1.1.0", 2)],
        [V1],
        "Answers its golden set (48 of 50 right; wrong after the last deploy: 1): the traffic changed",
    ),
    (
        [answered("2.0.0", 9)],
        [V1, V2],
        "Wrong on 9 of 50 golden texts (2.0.0), 1 after the last deploy: the model",
    ),
    (  # a baseline of a version that was broken from the start excuses nothing
        [answered("2.0.0", 21)],
        [V1, BORN_BAD],
        "Wrong on 21 of 50 golden texts (2.0.0), 1 by 1.1.0 after its deploy: the model",
    ),
    (  # no baseline of its own yet
        [answered("2.0.0", 21)],
        [V1],
        "Wrong on 21 of 50 golden texts (2.0.0), 1 by 1.1.0 after its deploy: the model",
    ),
    (
        [answered("1.1.0", 0), answered("2.0.0", 12, "api-1")],
        [],
        "Wrong on 12 of 50 golden texts (2.0.0), 0 by 1.1.0 beside it: the model",
    ),
    (
        [answered("1.1.0", 1), answered("1.1.0", 9, "api-1")],
        [],
        "Wrong on 9 of 50 golden texts (api-1), 1 on the other pods: the model of that pod",
    ),
    (  # back on the version before: what was wrong with the other one is no matter any more
        [answered("1.1.0", 1)],
        [V1, BORN_BAD],
        "Answers its golden set (49 of 50 right, as after the last deploy): the traffic changed",
    ),
    (  # versions differ in quality by themselves
        [answered("2.0.0", 5)],
        [after_deploy("1.1.0", 2)],
        "Answers its golden set (45 of 50 right; wrong by 1.1.0 after its deploy: 2)",
    ),
    ([answered("1.1.0", 0)], [], "Answers its golden set (50 of 50 right): the traffic changed"),
    (
        [answered("1.1.0", 4)],
        [],
        "Answers its golden set (46 of 50 right; there is no earlier answer to compare with)",
    ),
    (  # the silent one may be the broken one
        [answered("1.1.0", 0), DOWN],
        [after_deploy("1.1.0", 0)],
        "Answers its golden set (50 of 50 right, as after the last deploy); "
        "Golden texts answered wrong: no answer from api-2 (HTTP 503)",
    ),
    (
        [answered("2.0.0", 9), DOWN],
        [V2],
        "Wrong on 9 of 50 golden texts (2.0.0), 1 after the last deploy: the model; "
        "Golden texts answered wrong: no answer from api-2 (HTTP 503)",
    ),
    (
        [DOWN, Unanswered("api-1", "HTTP 503"), Unanswered("api-0", "no answer within 5 s")],
        [V1],
        "Golden texts answered wrong: no answer from api-2, api-1 (HTTP 503), api-0 (no answer within 5 s); "
        "unknown whether the model or the traffic changed",
    ),
    (
        [],
        [V1],
        "Golden texts answered wrong: there is no address to ask; unknown whether the model or the traffic changed",
    ),
    (  # right, and not sure of it any more
        [answered("2.0.0", 0, sure=0.61)],
        [after_deploy("2.0.0", 0, EARLIER, 0.97)],
        "Mean confidence on the golden texts is 61 % (2.0.0), 97 % after the last deploy: the model",
    ),
    (
        [answered("2.0.0", 0, sure=0.61)],
        [after_deploy("1.1.0", 0, LONG_AGO, 0.97), after_deploy("2.0.0", 0, EARLIER, 0.61)],
        "Mean confidence on the golden texts is 61 % (2.0.0), 97 % by 1.1.0 after its deploy: the model",
    ),
    (  # the worst one was never better, so it does not excuse the other
        [answered("1.1.0", 10), answered("2.0.0", 9, "api-1")],
        [after_deploy("1.1.0", 10), after_deploy("2.0.0", 1, EARLIER)],
        "Wrong on 9 of 50 golden texts (2.0.0), 1 after the last deploy: the model",
    ),
]


@pytest.mark.parametrize(("answers", "baselines", "said"), TABLE)
def test_what_a_responder_reads(answers: list[TargetAnswer], baselines: list[Baseline], said: str) -> None:
    assert sentence(judged(answers, baselines, NOW)) == said


def test_the_fact_has_counts_by_version_and_the_baseline() -> None:
    probed = judged([answered("1.1.0", 1), answered("2.0.0", 9, "api-1")], [V1, V2], NOW)
    (fact,) = probed.facts
    assert (fact.role, fact.value, fact.of, fact.verdict) == (PROBE, 9, 50, Verdict.BAD)
    assert fact.parts == (Part("2.0.0", 9, 50), Part("1.1.0", 1, 50))
    assert [each.value for each in fact.past] == [1]


def test_pods_of_one_version_that_differ_are_named() -> None:
    (fact,) = judged([answered("1.1.0", 1), answered("1.1.0", 9, "api-1")], [V1], NOW).facts
    assert [part.name for part in fact.parts] == ["api-1", "api-0"]


def test_a_model_that_does_not_say_its_version_is_named_by_its_pod() -> None:
    (fact,) = judged([answered("", 9), answered("", 9, "api-1")], [], NOW).facts
    assert [part.name for part in fact.parts] == ["api-0", "api-1"]


COUNTS = st.integers(0, 50)


@given(st.lists(st.tuples(st.sampled_from(["1.1.0", "2.0.0", ""]), COUNTS), max_size=5), COUNTS, COUNTS, st.booleans())
def test_the_traffic_is_only_blamed_when_nothing_speaks_against_the_model(
    found: list[tuple[str, int]], own: int, former: int, silent: bool
) -> None:
    answers: list[TargetAnswer] = [
        answered(version, wrong, f"api-{index}") for index, (version, wrong) in enumerate(found)
    ]
    baselines = [after_deploy("1.1.0", former), after_deploy("2.0.0", own, EARLIER)]
    probed = judged([*answers, *([DOWN] if silent else [])], baselines, NOW)
    said = sentence(probed)
    assert said
    if "the traffic changed" in said.replace("the model or the traffic changed", ""):
        limits = {"1.1.0": former, "2.0.0": own}
        assert not silent
        assert all(wrong <= limits.get(version, min(own, former)) + 2 or version == "" for version, wrong in found)
        assert probed.conclusive


@given(COUNTS)
def test_a_version_that_answers_as_it_did_is_never_blamed_for_itself(wrong: int) -> None:
    (fact,) = judged([answered("1.1.0", wrong)], [after_deploy("1.1.0", wrong)], NOW).facts
    assert fact.verdict is Verdict.GOOD


def cause(probed: Probed, *changes: ChangeEvent) -> tuple[str, str]:
    cases = evidence_of(probed.facts, changes, [], (NOW, NOW), window=timedelta(hours=2), changes_known=True, alerts=[])
    found = decide(cases).hypothesis
    return (found.rule, found.text) if found else ("", "")


DEPLOYED = ChangeEvent("deploy", "toxicity-api", NOW - timedelta(minutes=6), "2.0.0 was deployed", version="2.0.0")


def test_a_changed_model_is_the_cause_with_its_deploy() -> None:
    said = "Wrong on 9 of 50 golden texts (2.0.0), 1 after the last deploy: the model"
    probed = judged([answered("2.0.0", 9)], [V1, V2], NOW)
    assert cause(probed) == ("model_degraded", f"{said}.")
    assert cause(probed, DEPLOYED) == ("model_degraded", f"{said}; 2.0.0 was deployed 6 min before the alert fired.")


def test_an_unsure_model_is_the_cause_too() -> None:
    rule, text = cause(judged([answered("2.0.0", 0, sure=0.6)], [after_deploy("2.0.0", 0, EARLIER, 0.97)], NOW))
    assert (rule, text.startswith("Mean confidence on the golden texts is 60 %")) == ("model_degraded", True)


def test_a_model_that_answers_as_before_takes_the_blame_from_the_deploy() -> None:
    rule, text = cause(judged([answered("2.0.0", 1)], [V1, V2], NOW), DEPLOYED)
    assert (rule, "the traffic changed" in text) == ("inputs_changed", True)


def test_without_an_answer_no_cause_is_drawn_from_it() -> None:
    assert cause(judged([DOWN], [V1], NOW)) == ("", "")


def test_the_confidence_alone_proves_nothing_good() -> None:
    facts = judged([answered("1.1.0", 0, sure=0.97)], [after_deploy("1.1.0", 0, LONG_AGO, 0.97)], NOW).facts
    assert [(fact.role, fact.verdict) for fact in facts] == [
        (PROBE, Verdict.GOOD),
        (PROBE_CONFIDENCE, Verdict.NEUTRAL),
    ]


TEN = "label,text\n" + "".join(f"civil,number {number}\n" for number in range(10))
SECRET = "you-must-not-repeat-this"


def test_golden_texts_are_read_and_named_by_their_digest() -> None:
    found = golden_set(TEN.encode())
    assert (len(found.texts), *found.labels, found.texts[3].text) == (10, "civil", "number 3")
    assert found.digest == golden_set(b"\xef\xbb\xbf" + TEN.replace("\n", "\r\n").encode()).digest
    assert found.digest != golden_set(TEN.replace("number 3", "number three").encode()).digest


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it has 0 texts"),
        (f"label,text\ntoxic,{SECRET}\n".encode(), "it has 1 texts"),
        (f"{TEN}toxic,{SECRET}, and more\n".encode(), "text 11 is not a label and a text"),
        (f"{TEN}{SECRET}\n".encode(), "text 11 is not a label and a text"),
        (f"{TEN},{SECRET}\n".encode(), "text 11 or its label is empty"),
        (f"{TEN}toxic,\n".encode(), "text 11 or its label is empty"),
        (f'{TEN}toxic,"{SECRET}'.encode(), "it is not CSV"),
        (TEN.replace("label,text", "verdict,words").encode(), "text 1 is not a label and a text"),
        (TEN.encode() + b"toxic,\xff\n", "it is not UTF-8"),
    ],
)
def test_a_fault_of_the_file_repeats_nothing_of_it(content: bytes, said: str) -> None:
    with pytest.raises(GoldenFault) as raised:
        golden_set(content)
    assert said in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_golden_text_is_not_shown() -> None:
    assert "number 3" not in repr(golden_set(TEN.encode()))
