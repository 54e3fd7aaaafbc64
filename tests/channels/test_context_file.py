"""The context of an incident is read as it was written, by any version."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.core.facts import Confidence, Context, Hypothesis, Onset, Part
from bridge.rendering.context_file import ContextFault, context_of, written
from bridge.rendering.sample import sample_context

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVERYTHING = replace(
    sample_context(),
    hypothesis=Hypothesis("version_fails", "2.0.0 fails.", ("54 of 100",), Confidence.LIKELY, "2.0.0 fails"),
    onset=Onset(NOW - timedelta(minutes=7), "the failed predictions"),
    looked_at=("deploys", "versions"),
    changes_known=True,
    took=timedelta(seconds=0.25),
)


@pytest.mark.parametrize("context", [EVERYTHING, Context(NOW), sample_context()])
def test_what_was_written_is_read_again(context: Context) -> None:
    assert context_of(written(context), NOW + timedelta(days=1)) == context


def test_a_row_of_the_version_before_is_read_and_its_cause_is_only_possible() -> None:
    row = json.loads(written(EVERYTHING))
    for name in ("onset", "looked_at", "changes_known"):
        del row[name]
    del row["hypothesis"]["confidence"], row["hypothesis"]["short"]
    for fact in row["facts"]:
        fact["parts"] = [{"name": part["name"], "value": part["value"]} for part in fact["parts"]]
    found = context_of(json.dumps(row), NOW)
    assert (found.onset, found.looked_at, found.changes_known) == (None, (), False)
    assert found.hypothesis is not None and Confidence.POSSIBLE is found.hypothesis.confidence
    assert [part for fact in found.facts for part in fact.parts] == [Part("api-2", 11.3), Part("api-1", 0.7)]


@pytest.mark.parametrize("time", ["2026-03-01T12:00:00", "2026-03-01T13:00:00+01:00", "2026-03-01 12:00:00Z"])
def test_times_are_utc(time: str) -> None:
    assert context_of(json.dumps({"at": time}), NOW + timedelta(days=1)).at == NOW


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        (
            '{"facts": [{"parts": [{"nme": 1}]}]}',
            "facts[0].parts[0].nme: there is no such field; there are name, value, of",
        ),
        (
            '{"onset": {"at": "2026-03-01T12:00:00Z", "sorce": ""}}',
            "onset.sorce: there is no such field; there are at, source",
        ),
        (
            '{"hypothesis": {"rule": "a", "text": "b", "confidence": "sure"}}',
            "hypothesis.confidence: 'sure' is not one of likely, possible",
        ),
        (
            '{"facts": [{"name": "a", "title": "A", "unit": "ratio", "parts": [{"name": "x"}]}]}',
            "facts[0].parts[0].value: is missing",
        ),
        ('{"took": "long"}', "took: must be a number"),
        ('{"changes_known": "yes"}', "changes_known: must be true or false"),
        ('{"looked_at": [1]}', "looked_at[0]: must be text"),
    ],
)
def test_a_fault_names_its_place_and_what_is_known_there(document: str, fault: str) -> None:
    with pytest.raises(ContextFault) as caught:
        context_of(document, NOW)
    assert str(caught.value).startswith(fault)
