"""The first step that a message names: of the alert itself, or of the bridge's own runbook."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.facts import Context, Part, Unit
from bridge.core.model import Status
from bridge.rendering.first_step import MAX_STEP, answered_by, first_step_of
from bridge.rendering.links import Addresses
from bridge.rendering.runbooks import names
from bridge.rendering.sample import sample_alert
from tests.channels.channel_builders import AT
from tests.channels.message_reading import a_change, a_fact

OWN = (
    "Did something change? If a model was deployed shortly before, roll it back first and look for the reason "
    "afterwards."
)


@pytest.mark.parametrize(
    ("annotations", "base", "step"),
    [
        ({"runbook_url": "/MLErrorRateCritical"}, None, OWN),
        ({"runbook_url": "MLErrorRateCritical"}, None, OWN),
        ({"runbook_url": "/MLErrorRateCritical"}, "https://wiki.example", ""),  # another page, with steps of its own
        ({"runbook_url": "https://wiki.example/MLErrorRateCritical"}, None, ""),
        ({"runbook_url": "/Unknown"}, None, ""),
        ({}, None, ""),
        ({"first_step": "Call the\nnetwork team."}, None, "Call the network team."),
        ({"first_step": "Call.", "runbook_url": "/MLErrorRateCritical"}, None, "Call."),
        ({"first_step": " ", "runbook_url": "/MLErrorRateCritical"}, None, OWN),
        ({"first_step": "Look. " * 90}, None, " ".join(["Look."] * 25)),
        ({"first_step": "x" * 900}, None, "x" * (MAX_STEP - 1) + "…"),
    ],
)
def test_the_first_step(annotations: dict[str, str], base: str | None, step: str) -> None:
    alert = replace(sample_alert("Slow", Status.FIRING), annotations=annotations)
    assert first_step_of([alert], Addresses("https://bridge.example", base)) == step


@pytest.mark.parametrize("name", sorted(names()))
def test_every_runbook_of_the_bridge_has_one(name: str) -> None:
    alert = replace(sample_alert(name, Status.FIRING), annotations={"runbook_url": f"/{name}"})
    step = first_step_of([alert], Addresses("https://bridge.example"))
    assert 10 < len(step) <= MAX_STEP


POD_OR_ALL = "One pod or all? A single one can be restarted; what they all have is in the model"
BY_TYPE = a_fact(unit=Unit.COUNT, parts=(Part("timeout", 40),), role="error_types")


@pytest.mark.parametrize(
    ("context", "step"),
    [
        (None, OWN),
        (Context(AT), OWN),
        (Context(AT, changes=(a_change(),), changes_known=True), OWN),
        (Context(AT, changes_known=True), "Which kind? model_load is a file, a checksum or memory"),
        (Context(AT, changes=(a_change(kind="rollback"), a_change()), changes_known=True), "Which kind?"),
        (Context(AT, (BY_TYPE,), changes_known=True), POD_OR_ALL),
        (Context(AT, (BY_TYPE,)), OWN),
    ],
    ids=["nothing known", "changes not known", "changed", "unchanged", "rolled back", "kinds known too", "kinds known"],
)
def test_a_step_that_the_message_answers_is_left_out(context: Context | None, step: str) -> None:
    alert = replace(sample_alert("Slow", Status.FIRING), annotations={"runbook_url": "/MLErrorRateCritical"})
    assert first_step_of([alert], Addresses("https://bridge.example"), answered_by(context)).startswith(step)
