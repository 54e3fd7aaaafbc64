"""The scenario files: all are valid and on the page; a fault names its file and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.drills import report
from dev.drills.samples import namespace_of
from dev.drills.scenario import load, read
from dev.stack.errors import StackError

VALID = """
title: Something fails
phases: [{ago: 8m, failing: {timeout: 0.2}}]
fires: [{alert: MLErrorRateCritical}]
truth: {cause: It does, must: [it]}
"""


def test_there_are_at_least_forty_which_differ() -> None:
    scenarios = load()
    assert len(scenarios) >= 40
    assert len({namespace_of(each) for each in scenarios}) == len(scenarios)
    assert len({each.truth.cause for each in scenarios}) > 0.9 * len(scenarios)


def test_the_score_on_the_page_names_each_of_them() -> None:
    assert [each.name for each in load()] == report.listed(), "run `make drills`, which writes docs/messages.md"


def test_a_valid_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "it.yaml").write_text(VALID)
    (scenario,) = load(["it"], tmp_path)
    assert (scenario.name, scenario.phases[0].ago, scenario.versions) == ("it", 480.0, ("1.4.0",))


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("title:", "titel:", r"it\.yaml: titel: Extra inputs"),
        ("8m", "8 minutes", r"it\.yaml: phases\.0\.ago: .*'8 minutes' is not a Prometheus duration"),
        ("8m", "26h", r"it\.yaml: phases\.0\.ago: .*less than or equal to 90000"),
        ("ago: 8m", "ago: 8m, until: 9m", r"it\.yaml: file: .*phases\.0: until \(540 s\) is not after ago \(480 s\)"),
        ("timeout: 0.2", "timeout: 20", r"it\.yaml: phases\.0\.failing\.timeout: .*less than or equal to 1"),
        ("timeout: 0.2", "no_such: 0.2", r"it\.yaml: phases\.0\.failing\.no_such"),
        ("ago: 8m", "ago: 8m, pods: [3]", r"it\.yaml: file: .*there is no pod 3, only 3"),
        ("ago: 8m", "ago: 8m, version: 9.9.9", r"it\.yaml: file: .*phases\.0: no pod serves '9\.9\.9'"),
        ("must: [it]", "must: ['(']", r"it\.yaml: truth\.must\.0: .*'\(' is no regular expression"),
        (", must: [it]", "", r"it\.yaml: truth: .*needs `must`"),
        ("fires: [{alert: MLErrorRateCritical}]", "fires: []", r"it\.yaml: fires: .*at least 1 item"),
        (VALID, "- a list", r"it\.yaml: this is no mapping"),
        ("title: Something", "title: [", r"it\.yaml: "),
    ],
)
def test_a_fault_names_the_file_and_the_field(tmp_path: Path, written: str, instead: str, said: str) -> None:
    assert written in VALID
    (tmp_path / "it.yaml").write_text(VALID.replace(written, instead))
    with pytest.raises(StackError, match=f"(?s){said}"):
        read(tmp_path / "it.yaml")


def test_an_unknown_name_lists_those_that_there_are() -> None:
    with pytest.raises(StackError, match=r"No drill has the name nonsense\. There are: .*canary-one-of-three"):
        load(["nonsense"])
