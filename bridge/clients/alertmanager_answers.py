"""Answers of Alertmanager's API v2 as values, 0.25 to 0.34.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml

Invariant: any document gives values or InvalidPayload. One entry that cannot be read spoils the whole answer: to take
an alert for absent because it was not understood would end an incident that is still going on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bridge.core.errors import InvalidPayload
from bridge.core.model import Alert, Status
from bridge.core.reconciliation import Listed, ListedGroup, Silence
from bridge.sources.reading import shown, text, texts, time

STATES = ("active", "suppressed", "unprocessed")


def alerts_of(document: object, path: str = "") -> dict[str, Listed]:
    """GET /alerts: by fingerprint."""
    listed = [_listed(each, where) for each, where in _elements(document, path)]
    return {each.alert.fingerprint: each for each in listed}


def groups_of(document: object) -> tuple[ListedGroup, ...]:
    """GET /alerts/groups."""
    return tuple(_group(each, where) for each, where in _elements(document, ""))


def silences_of(document: object) -> dict[str, Silence]:
    """GET /silences: by id, expired ones too."""
    found = {}
    for each, where in _elements(document, ""):
        found[_needed(each, "id", where)] = Silence(text(each, "createdBy", where), time(each, "endsAt", where))
    return found


def status_of(document: object) -> tuple[datetime, str, frozenset[str], bool]:
    """GET /status: since when it runs, its name in its cluster, the names of all members, whether it still settles."""
    status = _mapping(document, "")
    started = time(status, "uptime", "")
    if started is None:
        raise InvalidPayload("uptime", "is missing")
    cluster = _mapping(status.get("cluster"), "cluster")
    state = text(cluster, "status", "cluster")
    if state == "disabled":
        return started, "", frozenset(), False
    peers = frozenset(_needed(each, "name", where) for each, where in _elements(cluster.get("peers"), "cluster.peers"))
    return started, _needed(cluster, "name", "cluster"), peers, state != "ready"


def _listed(thing: Mapping[str, Any], path: str) -> Listed:
    status = _mapping(thing.get("status"), f"{path}.status")
    if status.get("state") not in STATES:
        raise InvalidPayload(f"{path}.status.state", f"must be one of {', '.join(STATES)}")
    starts_at = time(thing, "startsAt", path)
    if starts_at is None:
        raise InvalidPayload(f"{path}.startsAt", "is missing")
    alert = Alert(
        fingerprint=_needed(thing, "fingerprint", path),
        status=Status.FIRING,
        labels=texts(thing, "labels", path, required=True),
        annotations=texts(thing, "annotations", path),
        starts_at=starts_at,
        generator_url=text(thing, "generatorURL", path),
    )
    muting = (_words(status, name, f"{path}.status") for name in ("silencedBy", "inhibitedBy", "mutedBy"))
    return Listed(alert, *muting)


def _group(thing: Mapping[str, Any], path: str) -> ListedGroup:
    receiver = _mapping(thing.get("receiver"), f"{path}.receiver")
    alerts = alerts_of(thing.get("alerts"), f"{path}.alerts")
    labels = texts(thing, "labels", path)
    return ListedGroup(_needed(receiver, "name", f"{path}.receiver"), labels, tuple(alerts.values()))


def _elements(document: object, path: str) -> list[tuple[Mapping[str, Any], str]]:
    if not isinstance(document, list):
        raise InvalidPayload(path, f"must be a list, but is {shown(document)}")
    places = (f"{path}[{index}]" for index in range(len(document)))
    return [(_mapping(each, where), where) for each, where in zip(document, places, strict=True)]


def _mapping(thing: object, path: str) -> Mapping[str, Any]:
    if not isinstance(thing, dict):
        raise InvalidPayload(path, f"must be an object, but is {shown(thing)}")
    return thing


def _needed(thing: Mapping[str, Any], name: str, path: str) -> str:
    found = text(thing, name, path)
    if not found:
        raise InvalidPayload(f"{path}.{name}", "is missing")
    return found


def _words(thing: Mapping[str, Any], name: str, path: str) -> tuple[str, ...]:
    listed = thing.get(name) or []
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise InvalidPayload(f"{path}.{name}", f"must be a list of texts, but is {shown(listed)}")
    return tuple(listed)
