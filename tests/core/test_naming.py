"""What an incident is called, however the alerts are grouped."""

from __future__ import annotations

from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Alert, Group, Incident, Severity
from bridge.core.naming import names_of, title_of
from tests.builders import an_alert, at


class Place(TypedDict):
    """Labels that name a place."""

    namespace: str
    job: str


PLACE = Place(namespace="ml", job="toxicity-api")
ERRORS = an_alert("ToxicityApiErrors", **PLACE)
LATENCY = an_alert("Latency", "warning", **PLACE)
ELSEWHERE = an_alert("Latency", "warning", namespace="web", job="shop")
DRIFT, MEMORY = an_alert("Drift", "info"), an_alert("Memory", "warning")


def unnamed(**annotations: str) -> Alert:
    return Alert(
        "u", ERRORS.status, {"severity": "critical", "service": "api"}, annotations, at(0), severity=Severity.CRITICAL
    )


@pytest.mark.parametrize(
    ("group_labels", "alerts", "title"),
    [
        pytest.param({"alertname": "A", **PLACE}, [ERRORS], "A (ml/toxicity-api)", id="as shipped"),
        pytest.param(PLACE, [ERRORS], "ToxicityApiErrors (ml/toxicity-api)", id="without the alert's name"),
        pytest.param({}, [ERRORS], "ToxicityApiErrors (ml/toxicity-api)", id="not grouped"),
        pytest.param({"severity": "critical"}, [ERRORS], "ToxicityApiErrors (ml/toxicity-api)", id="by severity"),
        pytest.param({"page": "true"}, [ERRORS], "ToxicityApiErrors (ml/toxicity-api, page=true)", id="by a flag"),
        pytest.param(ERRORS.labels, [ERRORS], "ToxicityApiErrors (ml/toxicity-api)", id="by everything"),
        pytest.param({"alertname": ""}, [ERRORS], "ToxicityApiErrors (ml/toxicity-api)", id="an empty name"),
        pytest.param({"namespace": ""}, [ERRORS], "ToxicityApiErrors (ml/toxicity-api)", id="an empty place"),
        pytest.param({"namespace": "ml"}, [LATENCY, LATENCY], "Latency (ml)", id="one name twice"),
        pytest.param({}, [LATENCY, ELSEWHERE], "Latency", id="one name in two places"),
        pytest.param(PLACE, [LATENCY, ERRORS], "2 alerts: ToxicityApiErrors and Latency (ml/toxicity-api)", id="two"),
        pytest.param({}, [LATENCY, ERRORS, DRIFT], "3 alerts: ToxicityApiErrors, Latency and Drift", id="three"),
        pytest.param(
            {}, [ERRORS, ERRORS, LATENCY, DRIFT, MEMORY], "5 alerts: ToxicityApiErrors, Latency and 2 more", id="four"
        ),
        pytest.param(
            {"team": "a\tb\n c", "shard": "3"}, [DRIFT], "Drift (shard=3, team=a b c)", id="values that say nothing"
        ),
        pytest.param({"alertname": "A", "namespace": "x", "service": "x"}, [], "A (x)", id="two labels of one value"),
        pytest.param({}, [unnamed(summary="CPU  is\nhot")], "CPU is hot (api)", id="no name, a summary"),
        pytest.param({}, [unnamed()], "Unnamed alert (api)", id="no name, nothing"),
        pytest.param({}, [], "Unnamed alert", id="nothing at all"),
    ],
)
def test_the_title_names_the_alerts_and_their_place(
    group_labels: dict[str, str], alerts: list[Alert], title: str
) -> None:
    assert title_of(group_labels, alerts) == title


def test_hundreds_of_names_are_counted() -> None:
    many = [an_alert(f"A{number:03d}") for number in range(300)]
    assert title_of({}, many, truncated=1000) == "1,300 alerts: A000, A001 and 298 more"


def test_a_long_title_is_cut_and_keeps_the_important_part() -> None:
    labels = {
        "alertname": "A" * 500,
        "namespace": "n" * 500,
        **{f"label{number:03d}": "v" * 30 for number in range(90)},
    }
    title = title_of(labels, [an_alert()])
    assert title.startswith("A" * 70)
    assert " (nnn" in title
    assert len(title) < 200


@given(st.dictionaries(st.text(), st.text()), st.lists(st.dictionaries(st.text(), st.text()), max_size=4))
def test_a_title_is_one_line_whatever_the_labels(group_labels: dict[str, str], labels: list[dict[str, str]]) -> None:
    title = title_of(group_labels, [Alert("f", ERRORS.status, each, {}, at(0)) for each in labels])
    assert 0 < len(title) < 500
    assert not [letter for letter in title if letter < " " or "\x7f" <= letter <= "\x9f"]


def test_an_alert_without_a_name_is_titled_by_its_labels() -> None:
    assert names_of([unnamed(summary="CPU is hot"), unnamed()]) == "CPU is hot, an unnamed alert"


def group(*alerts: Alert, **labels: str) -> Group:
    return Group("prod", "bridge", "key", labels, alerts)


def after(known: Incident | None, *alerts: Alert, seconds: float, **labels: str) -> Incident:
    change = receive(known, group(*alerts, **labels), at(seconds), Rules(), "uid")
    assert change is not None
    return change.incident


def test_the_title_follows_the_alerts_of_a_group_without_alertname() -> None:
    opened = after(None, LATENCY, seconds=0, page="true")
    assert opened.title == "Latency (ml/toxicity-api, page=true)"
    joined = after(opened, LATENCY, ERRORS, seconds=60, page="true")
    assert joined.title == "2 alerts: ToxicityApiErrors and Latency (ml/toxicity-api, page=true)"
    over = an_alert("Latency", "warning", ends=90, **PLACE)
    left = after(joined, over, ERRORS, seconds=90, page="true")
    assert left.title == "ToxicityApiErrors (ml/toxicity-api, page=true)"
    ended = after(left, over, an_alert("ToxicityApiErrors", ends=120, **PLACE), seconds=120, page="true")
    assert (ended.title, ended.resolved) == (left.title, True)
    again = after(ended, an_alert("Latency", "warning", starts=150, **PLACE), seconds=150, page="true")
    assert again.title == "Latency (ml/toxicity-api, page=true)"


def test_a_title_from_the_alertname_of_the_group_stays() -> None:
    opened = after(None, ERRORS, seconds=0, alertname="ToxicityApiErrors")
    joined = after(opened, ERRORS, an_alert("ToxicityApiErrors", pod="b"), seconds=60, alertname="ToxicityApiErrors")
    assert opened.title == joined.title == "ToxicityApiErrors (ml/toxicity-api)"
