"""Look-ups among the objects of an overlay."""

from __future__ import annotations

import copy
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dev.stack.binaries import find
from k8s.rendering import OVERLAYS, ROOT, rendered

__all__ = ["OVERLAYS", "ROOT"]

Manifest = dict[str, Any]
#: Not Kubernetes' own, and so without a schema here: each kind with the fields of its specification that we may use.
#: https://github.com/GoogleCloudPlatform/prometheus-engine/blob/main/doc/api.md and, for the last two,
#: https://cloud.google.com/kubernetes-engine/docs/how-to/load-balance-ingress
FOREIGN = {
    "PodMonitoring": {"selector", "endpoints", "targetLabels"},
    "ClusterRules": {"groups"},
    "OperatorConfig": set[str](),
    "ManagedCertificate": {"domains"},
    "BackendConfig": {"healthCheck"},
}


def overlay(name: str, root: Path = ROOT) -> list[Manifest]:
    """A copy of its own for each caller, who may put mistakes into it."""
    return copy.deepcopy(_read(name, root))


@cache
def _read(name: str, root: Path) -> list[Manifest]:
    return list(yaml.load_all(rendered(name, root), yaml.CSafeLoader))


def of_kind(objects: list[Manifest], *kinds: str) -> list[Manifest]:
    return [each for each in objects if each["kind"] in kinds]


def named(objects: list[Manifest], kind: str, called: str, namespace: str = "monitoring") -> Manifest:
    (found,) = [each for each in of_kind(objects, kind) if name(each) == (kind, namespace, called)]
    return found


def workloads(objects: list[Manifest]) -> list[Manifest]:
    return of_kind(objects, "Deployment", "StatefulSet")


def pod(workload: Manifest) -> dict[str, Any]:
    specification: dict[str, Any] = workload["spec"]["template"]["spec"]
    return specification


def containers(workload: Manifest) -> list[dict[str, Any]]:
    """Including the init containers, which come first."""
    return [*pod(workload).get("initContainers", []), *pod(workload)["containers"]]


def labels_of(workload: Manifest) -> Mapping[str, str]:
    labels: Mapping[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def name(manifest: Manifest) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    return manifest["kind"], namespace_of(manifest), manifest["metadata"]["name"]


def namespace_of(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("namespace", ""))


def title(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def chosen(objects: list[Manifest], namespace: str, selector: Mapping[str, str]) -> list[Manifest]:
    """The workloads whose pods a selector matches; an empty one matches all of the namespace."""
    here = [each for each in workloads(objects) if namespace_of(each) == namespace]
    return [each for each in here if selector.items() <= labels_of(each).items()]


def ports_of(workload: Manifest) -> dict[str, int]:
    """Every named port of a pod, with its number."""
    ports = [port for container in pod(workload)["containers"] for port in container.get("ports", [])]
    return {port["name"]: port["containerPort"] for port in ports}


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container.get("env", []) if "value" in entry}


def references(workload: Manifest, kind: str) -> Iterator[tuple[str, str | None]]:
    """Name and key (None for all keys) of each ConfigMap or Secret that a workload's pods read."""
    volume, field, whole, one = {
        "ConfigMap": ("configMap", "name", "configMapRef", "configMapKeyRef"),
        "Secret": ("secret", "secretName", "secretRef", "secretKeyRef"),
    }[kind]
    for each in pod(workload).get("volumes", []):
        if volume in each:
            items = each[volume].get("items") or [{"key": None}]
            yield from ((each[volume][field], item["key"]) for item in items)
    for container in containers(workload):
        yield from ((each[whole]["name"], None) for each in container.get("envFrom", []) if whole in each)
        sources = [each["valueFrom"] for each in container.get("env", []) if "valueFrom" in each]
        yield from ((each[one]["name"], each[one]["key"]) for each in sources if one in each)


def config_map(objects: list[Manifest], prefix: str) -> dict[str, str]:
    """By its name without the hash."""
    pattern = re.compile(re.escape(prefix) + r"-[a-z0-9]{10}")
    (found,) = [each for each in of_kind(objects, "ConfigMap") if pattern.fullmatch(each["metadata"]["name"])]
    data: dict[str, str] = found["data"]
    return data


def checked(tool: str, *arguments: str) -> None:
    words = [str(find(tool)), *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
