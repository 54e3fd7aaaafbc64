"""The end of a summary says what is new, and never a number that the summary already says."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.facts import Confidence, Context, Fact, Hypothesis, Part, Unit, Verdict
from bridge.rendering.tails import tails_of
from tests.channels.channel_builders import AT
from tests.channels.message_reading import a_change, a_fact

FAILED = a_fact(title="Failed predictions", value=0.352, verdict=Verdict.BAD)
COUNTED = a_fact(title="Bad", unit=Unit.COUNT, value=40.0, of=90.0, verdict=Verdict.BAD, role="failures")
SURE = a_fact(name="sure", title="Mean confidence", value=0.61, verdict=Verdict.BAD)
SLOW = a_fact(name="p95", title="P95 of inference", unit=Unit.SECONDS, value=0.82, verdict=Verdict.BAD)
MEMORY = a_fact(name="memory", title="Memory", unit=Unit.BYTES, value=1.6e9, verdict=Verdict.BAD)
CAUSE = Hypothesis("version_fails", "v2 fails.", ("40 of 90",), Confidence.LIKELY, "only v2, deployed 2 min before")


def of_type(*counts: int) -> Fact:
    names = ("timeout", "model_load")
    parts = tuple(Part(name, count) for name, count in zip(names, counts, strict=False))
    return a_fact(name="types", unit=Unit.COUNT, value=float(sum(counts)), parts=parts, role="error_types")


@pytest.mark.parametrize(
    ("subject", "facts", "tail"),
    [
        ("35% of predictions in ml fail (limit 5%)", (FAILED,), ""),
        ("35.14 % of predictions in ml fail", (FAILED,), ""),
        ("12% of predictions in ml fail", (FAILED,), ""),  # measured earlier, about the same
        ("33% of requests are answered with 5xx", (FAILED,), ""),  # another name, about the same number
        ("35% of predictions in ml fail", (FAILED, SURE), "Mean confidence 61 %"),
        ("P95 of inference in ml is 812ms (limit 500ms)", (SLOW,), ""),
        ("P95 of inference in ml is 0.8 s", (SLOW, FAILED), "Failed predictions 35 %"),
        ("Pod api-1 uses 1.5GiB", (MEMORY,), ""),
        ("12% of predictions in ml fail", (COUNTED, SURE), "Mean confidence 61 %"),  # the same as a count
        ("API is slow", (SLOW,), "P95 of inference 820 ms"),
        ("HTTP 500 from 3 pods", (SLOW,), "P95 of inference 820 ms"),
        ("", (FAILED,), "Failed predictions 35 %"),
    ],
)
def test_a_number_is_said_once(subject: str, facts: tuple[Fact, ...], tail: str) -> None:
    assert next(iter(tails_of(Context(AT, facts), subject)), "") == tail


@pytest.mark.parametrize(
    ("changes", "tail"),
    [
        ({"hypothesis": CAUSE}, "only v2, deployed 2 min before"),
        (
            {"hypothesis": Hypothesis("r", "t.", (), Confidence.POSSIBLE, "an overload")},
            "possibly: an overload",
        ),
        ({"hypothesis": Hypothesis("r", "v2 is slow; v1 is not.", (), Confidence.LIKELY)}, "v2 is slow"),
        ({"facts": (of_type(40, 1),)}, "all errors are timeout"),
        ({"facts": (of_type(40, 1),), "changes_known": True}, "all errors are timeout, no change known in 2 h"),
        ({"facts": (of_type(40, 1),), "changes_known": True, "changes": (a_change(),)}, "all errors are timeout"),
        ({"facts": (of_type(9),), "changes_known": True}, "no change known in 2 h"),  # too few to say
        ({"facts": (of_type(40, 20),)}, ""),
        ({"facts": (FAILED,), "changes_known": True}, "no change known in 2 h"),
        ({"facts": (SURE,), "changes_known": True}, "no change known in 2 h"),
        ({"facts": (SURE,)}, "Mean confidence 61 %"),
        ({"changes_known": False}, ""),
    ],
)
def test_what_is_new_comes_first(changes: dict[str, Any], tail: str) -> None:
    found = next(iter(tails_of(Context(AT, **changes), "35% of predictions fail")), "")
    assert tail == found
