"""Puts a mistake into an object: which object, the place in it, and what stands there instead."""

from __future__ import annotations

from typing import Any

from cluster_objects import Manifest, named

API, BRIDGE = "Deployment/ml/toxicity-api", "Deployment/monitoring/bridge"
GRAFANA, ALERTMANAGER = "StatefulSet/monitoring/grafana", "StatefulSet/monitoring/alertmanager"
POD = "spec/template/spec"
GONE = object()


def mistaken(objects: list[Manifest], target: str, place: str, value: Any) -> Manifest:
    """The object KIND/NAMESPACE/NAME, changed at place; `~` is a slash in a key."""
    kind, namespace, called = target.split("/")
    manifest = named(objects, kind, called, namespace)
    *way, last = [step.replace("~", "/") for step in place.split("/")]
    at: Any = manifest
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if value is GONE:
        del at[last]
    else:
        at[int(last) if isinstance(at, list) else last] = value
    return manifest
