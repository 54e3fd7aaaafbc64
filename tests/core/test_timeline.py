"""Kinds of timeline entries, and what follows from them."""

from __future__ import annotations

from bridge.core.ports import WebhookOutcome
from bridge.core.timeline import EntryKind
from bridge.observability.metrics import Metrics


def test_an_unknown_kind_of_entry_is_other() -> None:
    assert EntryKind.OTHER is EntryKind("escalated_to_the_moon")


def test_the_kind_decides_who_is_notified() -> None:
    assert {each for each in EntryKind if each.awakens} == {
        *("opened", "reopened", "unacknowledged", "expired", "paged_again"),
    }
    assert {each for each in EntryKind if each.is_only_noted} == {"held", "returned", "muted", "unmuted"}
    while_muted = {each for each in EntryKind if each.is_noted_while_muted and not each.is_only_noted}
    assert while_muted == {"lowered", "truncated"}


def test_each_outcome_of_a_webhook_has_a_counter_from_the_start() -> None:
    metrics = Metrics()
    metrics.know((), ("prod",), ())
    for outcome in WebhookOutcome:
        labels = {"source": "prod", "outcome": outcome.value}
        assert metrics.registry.get_sample_value("bridge_webhooks_received_total", labels) == 0
    events = [each for each in WebhookOutcome if each.is_event]
    counted = [metrics.registry.get_sample_value("bridge_incidents_total", {"event": each.value}) for each in events]
    assert counted == [0] * 6
