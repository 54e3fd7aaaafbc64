"""The first step that a message names: of the alert itself, or of the bridge's own runbook."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.model import Status
from bridge.rendering.first_step import MAX_STEP, first_step_of
from bridge.rendering.links import Addresses
from bridge.rendering.runbooks import names
from bridge.rendering.sample import sample_alert

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
    assert step == first_step_of([alert], Addresses("https://bridge.example", base))


@pytest.mark.parametrize("name", sorted(names()))
def test_every_runbook_of_the_bridge_has_one(name: str) -> None:
    alert = replace(sample_alert(name, Status.FIRING), annotations={"runbook_url": f"/{name}"})
    step = first_step_of([alert], Addresses("https://bridge.example"))
    assert 10 < len(step) <= MAX_STEP
