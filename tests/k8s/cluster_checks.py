"""Invariants of an overlay's objects. Each check returns the faults that it found, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.k8s.cluster_objects import (
    ROOT,
    Manifest,
    chosen,
    containers,
    labels_of,
    name,
    named,
    namespace_of,
    of_kind,
    pod,
    ports_of,
    references,
    title,
    workloads,
)

#: The Secrets of k8s/create-secrets.sh.
SECRETS = {
    "bridge": {
        "ALERTMANAGER_TOKEN",
        "BRIDGE_DATABASE_URL",
        "BRIDGE_PASSWORD_HASH",
        "CLOUD_MONITORING_PASSWORD",
        "PAGERDUTY_ROUTING_KEY",
        "SLACK_BOT_TOKEN",
    },
    "alertmanager": {"ALERTMANAGER_TOKEN", "PAGERDUTY_ROUTING_KEY"},
    "grafana": {"GRAFANA_ADMIN_PASSWORD"},
    "postgres": {"POSTGRES_PASSWORD"},
}


def selectors(objects: list[Manifest]) -> Iterator[str]:
    """Every selector selects pods, and a Service finds its port there."""
    for workload in workloads(objects):
        if not workload["spec"]["selector"]["matchLabels"].items() <= labels_of(workload).items():
            yield f"{title(workload)} does not select its own pods"
        for spread in pod(workload).get("topologySpreadConstraints", []):
            if not spread["labelSelector"]["matchLabels"].items() <= labels_of(workload).items():
                yield f"{title(workload)} spreads other pods than its own"
    for each in of_kind(objects, "PodDisruptionBudget", "PodMonitoring"):
        if not chosen(objects, namespace_of(each), each["spec"]["selector"]["matchLabels"]):
            yield f"{title(each)} selects no pods"
    for service in of_kind(objects, "Service"):
        yield from _service(objects, service)
    for each in of_kind(objects, "PodMonitoring"):
        for workload in chosen(objects, namespace_of(each), each["spec"]["selector"]["matchLabels"]):
            wanted = {endpoint["port"] for endpoint in each["spec"]["endpoints"]}
            yield from (
                f"{title(each)} scrapes port {port}, which there is not" for port in wanted - set(ports_of(workload))
            )


def _service(objects: list[Manifest], service: Manifest) -> Iterator[str]:
    behind = chosen(objects, namespace_of(service), service["spec"]["selector"])
    if len(behind) != 1:
        yield f"{title(service)} selects {len(behind)} workloads"
    for workload in behind:
        for port in service["spec"]["ports"]:
            if port["targetPort"] not in ports_of(workload):
                yield f"{title(service)} leads to port {port['targetPort']}, which {title(workload)} does not have"


def names(objects: list[Manifest]) -> Iterator[str]:
    """What is named exists: ConfigMaps with their keys, Secrets, accounts, services, targets, roles, volumes."""
    known = {name(each): each for each in objects}
    for workload in workloads(objects):
        where = namespace_of(workload)
        for config_map, key in references(workload, "ConfigMap"):
            found = known.get(("ConfigMap", where, config_map))
            if found is None or (key and key not in found["data"]):
                yield f"{title(workload)} reads {config_map} {key or ''}, which there is not"
        for secret, key in references(workload, "Secret"):
            if secret not in SECRETS or (key and key not in SECRETS[secret]):
                yield f"{title(workload)} reads the secret {secret} {key or ''}, which create-secrets.sh does not make"
        if ("ServiceAccount", where, pod(workload)["serviceAccountName"]) not in known:
            yield f"{title(workload)} runs as {pod(workload)['serviceAccountName']}, which there is not"
        if workload["kind"] == "StatefulSet" and ("Service", where, workload["spec"]["serviceName"]) not in known:
            yield f"{title(workload)} has no Service {workload['spec']['serviceName']}"
        yield from _volumes(workload)
    yield from _targets(objects, known)


def _volumes(workload: Manifest) -> Iterator[str]:
    claimed = [each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", [])]
    volumes = {*(each["name"] for each in pod(workload).get("volumes", [])), *claimed}
    mounted = {mount["name"] for each in containers(workload) for mount in each.get("volumeMounts", [])}
    yield from (f"{title(workload)} mounts {each}, which there is not" for each in mounted - volumes)
    yield from (f"{title(workload)} has the volume {each} and does not mount it" for each in volumes - mounted)


def _targets(objects: list[Manifest], known: Mapping[tuple[str, str, str], Manifest]) -> Iterator[str]:
    for each in of_kind(objects, "HorizontalPodAutoscaler"):
        target = each["spec"]["scaleTargetRef"]
        if (target["kind"], namespace_of(each), target["name"]) not in known:
            yield f"{title(each)} scales {target['name']}, which there is not"
    for each in of_kind(objects, "RoleBinding"):
        if ("Role", namespace_of(each), each["roleRef"]["name"]) not in known:
            yield f"{title(each)} binds {each['roleRef']['name']}, which there is not"
        for subject in each["subjects"]:
            if (subject["kind"], subject["namespace"], subject["name"]) not in known:
                yield f"{title(each)} binds {subject['name']}, which there is not"
    for each in of_kind(objects, "Ingress"):
        for path in (path for rule in each["spec"]["rules"] for path in rule["http"]["paths"]):
            backend = path["backend"]["service"]
            service = known.get(("Service", namespace_of(each), backend["name"]))
            if service is None or backend["port"]["name"] not in [port["name"] for port in service["spec"]["ports"]]:
                yield f"{title(each)} leads to {backend}, which there is not"
    for each in objects:
        where = namespace_of(each)
        if where not in ("", "gmp-public") and ("Namespace", "", where) not in known:  # the latter is Google's
            yield f"{title(each)} is in {where}, which we do not make"


def privileges(objects: list[Manifest]) -> Iterator[str]:
    """Namespaces enforce the strictest standard, and only pods that call Kubernetes have a token. checkov checks the
    rest of a pod.
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    asking = {subject["name"] for each in of_kind(objects, "RoleBinding") for subject in each["subjects"]}
    for namespace in of_kind(objects, "Namespace"):
        if namespace["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{title(namespace)} does not enforce the standard"
    for account in of_kind(objects, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{title(account)} gives its token to every pod"
    for workload in workloads(objects):
        if pod(workload)["automountServiceAccountToken"] is not (pod(workload)["serviceAccountName"] in asking):
            yield f"{title(workload)} has a token that it does not need, or none where it does"


def users(objects: list[Manifest]) -> Iterator[str]:
    """Each pod runs as the user that compose.yaml gives its image, or as that of our images."""
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    known = {each.removesuffix("-1"): service["user"] for each, service in services.items() if "user" in service}
    for workload in workloads(objects):
        user = pod(workload)["securityContext"]["runAsUser"]
        expected, _, _ = known.get(workload["metadata"]["name"], "10001:").partition(":")
        if str(user) != expected:
            yield f"{title(workload)} runs as {user}, and not as {expected}, the user of its image"


def api(objects: list[Manifest]) -> Iterator[str]:
    """What the documentation promises of the API's pods, and the numbers that depend on each other."""
    deployment = named(objects, "Deployment", "toxicity-api", "ml")
    (container,) = pod(deployment)["containers"]
    values = {each["name"]: each["value"] for each in container["env"]}
    if container["resources"]["limits"].get("memory") != "2Gi":
        yield "the alerts on memory are only in order with a limit of 2Gi"
    if values["OMP_NUM_THREADS"] != container["resources"]["limits"]["cpu"]:
        yield "OMP_NUM_THREADS is not the limit of CPU"
    startup = container["startupProbe"]
    if startup["periodSeconds"] * startup["failureThreshold"] < 120:
        yield "a model has less than 120 s to load"
    paths = tuple(container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness"))
    if paths != ("/readyz", "/readyz", "/healthz"):
        yield f"the probes ask {paths}"
    if pod(deployment)["terminationGracePeriodSeconds"] <= float(values["BERT_API_DRAIN"]) + 10 + 2:
        yield "it is killed before BERT_API_DRAIN, BERT_API_TIMEOUT and 2 s more are over"
    if named(objects, "PodDisruptionBudget", "toxicity-api", "ml")["spec"]["minAvailable"] != 2:
        yield "fewer than two pods may be left"
    if _least(objects) < 3:
        yield "there may be fewer than three pods"
    if "replicas" in deployment["spec"]:
        yield "applying it again would take back what the autoscaler added"


def _least(objects: list[Manifest]) -> int:
    return int(named(objects, "HorizontalPodAutoscaler", "toxicity-api", "ml")["spec"]["minReplicas"])


def replicas(objects: list[Manifest]) -> Iterator[str]:
    for kind, each, least in (("Deployment", "bridge", 2), ("StatefulSet", "alertmanager", 2)):
        if named(objects, kind, each)["spec"]["replicas"] < least:
            yield f"{each} has fewer than {least} replicas"
    halves = pod(named(objects, "Deployment", "bridge"))["containers"]
    commands = [each["command"][3] for each in halves]
    if commands != ["web", "worker"]:
        yield f"a pod of the bridge has {commands}"
    else:
        yield from _worker(halves[1])
    arguments = pod(named(objects, "StatefulSet", "alertmanager"))["containers"][0]["args"]
    peers = [each for each in arguments if each.startswith("--cluster.peer=alertmanager-")]
    if len(peers) != named(objects, "StatefulSet", "alertmanager")["spec"]["replicas"]:
        yield f"the Alertmanagers know {peers}"


def _worker(container: dict[str, Any]) -> Iterator[str]:
    """It answers its probe, and is started again when it hangs."""
    listening = {int(word.rpartition(":")[2]) for word in container["command"] if word.startswith("0.0.0.0:")}
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    if set(ports.values()) != listening:
        yield f"the worker listens on {listening}, and says {ports}"
    asked = container.get("livenessProbe", {}).get("httpGet")
    if asked != {"path": "/-/healthy", "port": "metrics"}:
        yield f"a worker that hangs is asked {asked}"


CHECKS = (selectors, names, privileges, users, api, replicas)
