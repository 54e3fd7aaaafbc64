"""Each count belongs to the version that its pod served then."""

from __future__ import annotations

import pytest

from bridge.core.context.counts import Counts
from bridge.core.context.histories import History
from bridge.core.context.questions import Question
from bridge.core.context.series import Series
from bridge.core.context.served_versions import served_of
from bridge.core.context.tables import in_scope, table_of
from bridge.core.facts import Unit
from tests.core.context.worlds import MINUTE, a_history

TIMES = (60.0, 120.0, 180.0)


def a_series(value: float, **labels: str) -> Series:
    return Series(labels, tuple((at, value) for at in TIMES))


def by_version(bad: list[Series], every: list[Series], served: dict[str, str]) -> dict[str, Counts]:
    info = tuple(a_series(1.0, pod=pod, version=version) for pod, version in served.items())
    question = Question("failing", "Failed", Unit.RATIO, "x", of="y", role="failures")
    history = History(question, MINUTE, tuple(bad), tuple(every))
    return table_of(history, served_of(a_history("versions", info)).at).by_version(0.0, 180.0)


@pytest.mark.parametrize("bad", [{}, {"version": "v2"}], ids=["bad without", "bad with"])
@pytest.mark.parametrize("every", [{}, {"version": "v2"}], ids=["all without", "all with"])
def test_it_is_the_same_whichever_counter_names_the_version(bad: dict[str, str], every: dict[str, str]) -> None:
    found = by_version([a_series(0.5, pod="a", **bad)], [a_series(1.0, pod="a", **every)], {"a": "v2"})
    assert found == {"v2": Counts(90.0, 180.0)}


def test_where_all_fail_and_no_good_one_is_counted_all_is_what_failed() -> None:
    assert {"v2": Counts(90.0, 90.0)} == by_version([a_series(0.5, pod="a")], [], {"a": "v2"})


def test_a_pod_by_another_name_serves_the_only_version_there_is() -> None:
    bad, every = [a_series(0.5, instance="10.0.0.1:80")], [a_series(1.0, instance="10.0.0.1:80")]
    assert {"v2": Counts(90.0, 180.0)} == by_version(bad, every, {"a": "v2", "b": "v2"})
    assert by_version(bad, every, {"a": "v2", "b": "v1"}) == {}


def test_a_pod_that_changes_its_version_has_none() -> None:
    info = (a_series(1.0, pod="a", version="v1"), a_series(1.0, pod="a", version="v2"))
    served = served_of(a_history("versions", info))
    assert served.at("a", 60.0) == ""


def test_parts_of_several_services_are_not_compared() -> None:
    two = (a_series(1.0, job="a", pod="x"), a_series(1.0, job="b", pod="y"))
    assert in_scope(two, [{"alertname": "X"}]) is None
    assert in_scope(two, [{"job": "b"}]) == two[1:]
