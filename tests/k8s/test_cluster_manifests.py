"""Every object is valid, and their references to each other are."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from k8s import rendering
from tests.k8s.cluster_checks import CHECKS
from tests.k8s.cluster_objects import (
    FOREIGN,
    OVERLAYS,
    ROOT,
    Manifest,
    containers,
    named,
    of_kind,
    overlay,
    title,
    workloads,
)

VERSIONS = ("1.32", "1.37")
each_overlay = pytest.mark.parametrize("each", OVERLAYS)


def schema_faults(objects: list[Manifest], version: str) -> list[str]:
    """According to Kubernetes' own schemas; an unknown field is a fault too."""
    found = []
    for manifest in objects:
        if manifest["kind"] in FOREIGN:
            unknown = set(manifest.get("spec", {})) - FOREIGN[manifest["kind"]]
            found += [f"{title(manifest)}: {field}" for field in unknown]
            continue
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as fault:
            found.append(f"{title(manifest)}: {fault.message}")
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(version: str) -> None:
    different = {json.dumps(manifest, sort_keys=True): manifest for each in OVERLAYS for manifest in overlay(each)}
    assert schema_faults(list(different.values()), version) == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@each_overlay
def test_the_objects_are_consistent(each: str, check: Callable[[list[Manifest]], Any]) -> None:
    assert list(check(overlay(each))) == []


API, BRIDGE = "Deployment/ml/toxicity-api", "Deployment/monitoring/bridge"
GRAFANA, ALERTMANAGER = "StatefulSet/monitoring/grafana", "StatefulSet/monitoring/alertmanager"
POD = "spec/template/spec"
NAME = "app.kubernetes.io~name"
GONE = object()
#: The mistake, the object, the place in it, and the wrong value.
MISTAKES: list[tuple[str, str, str, Any]] = [
    ("a label of the pods is misspelt", BRIDGE, f"spec/template/metadata/labels/{NAME}", "brigde"),
    ("it spreads other pods", API, f"{POD}/topologySpreadConstraints/0/labelSelector/matchLabels/{NAME}", "api"),
    ("a Service leads to no port", "Service/monitoring/bridge", "spec/ports/0/targetPort", "web"),
    ("a budget protects no pod", "PodDisruptionBudget/ml/toxicity-api", f"spec/selector/matchLabels/{NAME}", "api"),
    ("a Secret is not made", BRIDGE, f"{POD}/containers/0/envFrom/1/secretRef/name", "secrets"),
    ("a key of a Secret is not made", GRAFANA, f"{POD}/volumes/4/secret/items/0/key", "PASSWORD"),
    ("a ConfigMap is not there", BRIDGE, f"{POD}/volumes/0/configMap/name", "routes"),
    ("a key of a ConfigMap is not there", API, f"{POD}/initContainers/0/env/0/valueFrom/configMapKeyRef/key", "MODEL"),
    ("a volume is not there", BRIDGE, f"{POD}/containers/0/volumeMounts/0/name", "cache"),
    ("an account is not there", BRIDGE, f"{POD}/serviceAccountName", "bridges"),
    ("a StatefulSet has no Service", ALERTMANAGER, "spec/serviceName", "peers"),
    ("nothing is scaled", "HorizontalPodAutoscaler/ml/toxicity-api", "spec/scaleTargetRef/kind", "StatefulSet"),
    ("a role is bound to no account", "RoleBinding/ml/prometheus", "subjects/0/name", "default"),
    ("no role is bound", "RoleBinding/ml/prometheus", "roleRef/name", "reader"),
    (
        "the internet leads nowhere",
        "Ingress/monitoring/bridge",
        "spec/rules/0/http/paths/0/backend/service/name",
        "web",
    ),
    ("it has a token", BRIDGE, f"{POD}/automountServiceAccountToken", True),
    ("it runs as root", GRAFANA, f"{POD}/securityContext/runAsUser", 0),
    ("it has no token", "StatefulSet/monitoring/prometheus", f"{POD}/automountServiceAccountToken", False),
    ("an account gives its token away", "ServiceAccount/ml/toxicity-api", "automountServiceAccountToken", GONE),
    ("the namespace is not made", "Namespace//ml", "metadata/name", "lm"),
    ("the namespace is open", "Namespace//ml", "metadata/labels/pod-security.kubernetes.io~enforce", "baseline"),
    ("the API has another limit", API, f"{POD}/containers/0/resources/limits/memory", "1Gi"),
    ("it has more cores than threads", API, f"{POD}/containers/0/resources/limits/cpu", "4"),
    ("a model has no time to load", API, f"{POD}/containers/0/startupProbe/failureThreshold", 5),
    ("liveness depends on the model", API, f"{POD}/containers/0/livenessProbe/httpGet/path", "/readyz"),
    ("it is killed while it drains", API, f"{POD}/terminationGracePeriodSeconds", 20),
    ("two pods may go", "PodDisruptionBudget/ml/toxicity-api", "spec/minAvailable", 1),
    ("there are two pods", "HorizontalPodAutoscaler/ml/toxicity-api", "spec/minReplicas", 2),
    ("applying fights the autoscaler", API, "spec/replicas", 3),
    ("one bridge is alone", BRIDGE, "spec/replicas", 1),
    ("there is no worker", BRIDGE, f"{POD}/containers/1/command/3", "web"),
    ("a worker that hangs is left alone", BRIDGE, f"{POD}/containers/1/livenessProbe", GONE),
    ("a worker is probed at a path of the web", BRIDGE, f"{POD}/containers/1/livenessProbe/httpGet/path", "/-/ready"),
    ("a worker answers elsewhere", BRIDGE, f"{POD}/containers/1/command/5", "0.0.0.0:9121"),
    ("a third Alertmanager has no peer", ALERTMANAGER, "spec/replicas", 3),
]


def put(manifest: Manifest, place: str, value: Any) -> None:
    *way, last = [step.replace("~", "/") for step in place.split("/")]
    at: Any = manifest
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if value is GONE:
        del at[last]
    else:
        at[int(last) if isinstance(at, list) else last] = value


@pytest.mark.parametrize(("target", "place", "value"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_found(target: str, place: str, value: Any) -> None:
    objects = overlay("gke")
    kind, namespace, called = target.split("/")
    put(named(objects, kind, called, namespace), place, value)
    assert [fault for check in CHECKS for fault in check(objects)] != []


@pytest.mark.parametrize(("field", "value"), [("replica", 3), ("replicas", "three"), ("strategy", {"type": 1})])
def test_a_field_unknown_to_kubernetes_is_found(field: str, value: object) -> None:
    deployment = named(overlay("gke"), "Deployment", "toxicity-api", "ml")
    deployment["spec"][field] = value
    assert schema_faults([deployment], VERSIONS[0]) != []


@each_overlay
def test_versions_of_other_images_are_those_of_compose(each: str) -> None:
    file = ROOT / "docker" / ".env"
    if not file.is_file():
        pytest.skip("there is no docker/.env to compare with")
    known = dict(re.findall(r"^(\w+)_IMAGE=(.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)).values()
    used = {container["image"] for workload in workloads(overlay(each)) for container in containers(workload)}
    ours = re.compile(r"(.*/)?(bridge|toxicity-api|sandbox):.*|gke\.gcr\.io/.*")
    assert {image for image in used if not ours.fullmatch(image)} <= set(known)


def test_an_overlay_that_kubectl_refuses_is_explained(tmp_path: Path) -> None:
    with pytest.raises(rendering.RenderingError, match=r"kubectl cannot render .*gke: "):
        rendering.rendered("gke", tmp_path)


def test_a_missing_kubectl_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "FETCHED", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(rendering.RenderingError, match=r"neither in .* nor on PATH"):
        rendering.rendered("gke")


def test_autoscaling_by_requests_in_flight_can_be_added_to_an_overlay(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    file = tmp_path / "k8s/overlays/gke/kustomization.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("components:\n", "components:\n  - ../../components/in-flight-autoscaling\n"), "utf-8")
    objects = overlay("gke", tmp_path)
    metrics = named(objects, "HorizontalPodAutoscaler", "toxicity-api", "ml")["spec"]["metrics"]
    assert [metric["type"] for metric in metrics] == ["Resource", "Pods"]
    assert schema_faults(of_kind(objects, "HorizontalPodAutoscaler"), VERSIONS[0]) == []
