"""What is posted to the bridge for a scenario: the change events, and Alertmanager's webhooks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from dev.drills.alerts import Outbreak
from dev.drills.samples import JOB, namespace_of
from dev.drills.scenario import Fires, Scenario
from dev.stack.errors import StackError

Json = dict[str, Any]
NO_END = "0001-01-01T00:00:00Z"
ENDED_SECONDS = 20  #: how long before its webhook an end is


def changes(scenario: Scenario, now: int, *, late: bool) -> list[Json]:
    return [
        {
            "kind": each.kind, "service": each.service, "at": now - each.ago, "by": each.by,
            "labels": {"namespace": "elsewhere" if each.elsewhere else namespace_of(scenario)},
            **{name: text for name in ("version", "previous", "summary") if (text := getattr(each, name))},
        }
        for each in scenario.changes if each.late is late
    ]  # fmt: skip


def outbreaks_of(scenarios: Iterable[Scenario], every: Sequence[Outbreak]) -> dict[str, list[Outbreak]]:
    """What each scenario fires, by its name. Raises StackError, which names all alerts that do not fire."""
    found, faults = {}, []
    for scenario in scenarios:
        place = namespace_of(scenario)
        mine = [each for each in every if scenario.alone or each.labels.get("namespace") == place]
        found[scenario.name] = [each for wanted in scenario.fires for each in _newest(mine, wanted)]
        fired = {each.rule.name for each in mine}
        if missing := [wanted.alert for wanted in scenario.fires if not any(_fits(each, wanted) for each in mine)]:
            others = ", ".join(sorted(fired)) or "none"
            faults.append(f"{scenario.name}: {', '.join(missing)} does not fire by its rule; these do: {others}")
    if faults:
        raise StackError("\n".join(faults))
    return found


def _newest(every: Iterable[Outbreak], wanted: Fires) -> Iterable[Outbreak]:
    """The last outbreak of each alert: it may have fired before."""
    fitting = sorted((each for each in every if _fits(each, wanted)), key=lambda each: each.fired_at)
    return {str(sorted(each.labels.items())): each for each in fitting}.values()


def _fits(outbreak: Outbreak, wanted: Fires) -> bool:
    labels = outbreak.labels
    return labels["alertname"] == wanted.alert and all(labels.get(k) == v for k, v in wanted.labels.items())


def group_key(scenario: Scenario) -> str:
    labels = ", ".join(f'{name}="{value}"' for name, value in _group_labels(scenario).items())
    return f"{{}}:{{{labels}}}"


def webhook(scenario: Scenario, outbreaks: Sequence[Outbreak], ended_at: int | None = None) -> Json:
    status = "firing" if ended_at is None else "resolved"
    alerts = [_alert(scenario, each, status, ended_at) for each in outbreaks]
    return {
        "version": "4", "groupKey": group_key(scenario), "receiver": "bridge", "status": status,
        "groupLabels": _group_labels(scenario), "commonLabels": _common([each["labels"] for each in alerts]),
        "commonAnnotations": _common([each["annotations"] for each in alerts]),
        "externalURL": "http://alertmanager.example:9093", "truncatedAlerts": 0, "alerts": alerts,
    }  # fmt: skip


def _group_labels(scenario: Scenario) -> dict[str, str]:
    """As Alertmanager groups in docker/alertmanager; several alerts at once are grouped by their service only."""
    names = {each.alert for each in scenario.fires}
    name = {"alertname": next(iter(names))} if len(names) == 1 else {}
    return {**name, **({} if scenario.alone else {"namespace": namespace_of(scenario)}), "job": JOB}


def _alert(scenario: Scenario, outbreak: Outbreak, status: str, ended_at: int | None) -> Json:
    labels = dict(sorted(outbreak.labels.items()))
    return {
        "status": status, "labels": labels, "annotations": outbreak.annotations,
        "startsAt": _time(outbreak.fired_at), "endsAt": NO_END if ended_at is None else _time(ended_at),
        "generatorURL": outbreak.generator_url if scenario.generator_url else "",
        "fingerprint": hashlib.sha256(str(labels).encode()).hexdigest()[:16],
    }  # fmt: skip


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _common(every: Sequence[dict[str, str]]) -> dict[str, str]:
    return {name: text for name, text in every[0].items() if all(each.get(name) == text for each in every)}
