"""A message with its context, and its words as each channel has them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from bridge.core.facts import ChangeEvent, Context, Fact, Unit
from bridge.core.model import Incident, State, Status
from bridge.core.ports import Message
from bridge.rendering.context_view import ContextView, view_of
from bridge.rendering.renderer import Renderer
from bridge.rendering.sample import sample_alert, sample_claim, sample_incident, sample_news
from tests.channels.channel_builders import AT, a_claim, a_pagerduty, a_slack


def a_fact(**changes: Any) -> Fact:
    fields: dict[str, Any] = {"name": "errors", "title": "Errors", "unit": Unit.RATIO, "value": 0.073, "at": AT}
    return Fact(**{**fields, **changes})


def a_change(**changes: Any) -> ChangeEvent:
    fields: dict[str, Any] = {"kind": "deploy", "service": "api", "at": AT - timedelta(minutes=6), "summary": "Deploy"}
    return ChangeEvent(**{**fields, "version": "v2", "by": "ci", **changes})


def a_view(*facts: Fact, **more: Any) -> ContextView:
    return view_of(Context(AT, facts, **more), AT, "api")


def rendered(incident: Incident, context: Context | None, *, firing: bool = True) -> Message:
    claim = sample_claim(firing=firing)
    return Renderer(None, "https://bridge.example").message(incident, claim, sample_news(), context, html=True)


def slack_texts(message: Message) -> list[str]:
    """Each block's text; the fields of a section each on their own."""
    (attachment,) = a_slack().compose(message, a_claim()).content["attachments"]
    texts = []
    for block in attachment["blocks"]:
        every = [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
        texts += [each["text"] for each in every if each]
    return texts


def details_of(message: Message) -> dict[str, Any]:
    (event,) = a_pagerduty().compose(message, a_claim()).content["events"]
    details: dict[str, Any] = event["payload"]["custom_details"]
    return details


def an_incident(**changes: Any) -> Incident:
    alert = replace(sample_alert("Slow", Status.FIRING), fingerprint="1")
    base = replace(sample_incident(resolved=False), alerts={"1": alert}, acknowledged_by=None, state=State.OPEN)
    return replace(base, **changes)
