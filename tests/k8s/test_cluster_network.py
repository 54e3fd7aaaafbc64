"""Exactly the connections that the parts need are allowed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.k8s.cluster_connections import connections, one_sided, unprotected
from tests.k8s.cluster_objects import OVERLAYS, Manifest, named, overlay

DNS = [
    f"{{}} > {server}:53{kind}"
    for server in ("kube-system,k8s-app=kube-dns", "169.254.20.10/32")
    for kind in ("", "/udp")
]
METADATA = ["{} > 169.254.169.254/32:80", "{} > 169.254.169.252/32:988", "{} > internet:443"]
EVERYWHERE = {
    "toxicity-api-client=true > toxicity-api:8100": "who asks for predictions",
    "alertmanager > bridge:9119": "webhooks",
    "bridge > prometheus:9090": "context",
    "bridge > alertmanager:9093": "what fires now",
    "bridge > toxicity-api:8100": "golden texts",
    "bridge > internet:443": "PagerDuty and Slack",
    "bridge > internet:465": "mail",
    "bridge > internet:587": "mail",
    "alertmanager > alertmanager:9094": "gossip",
    "alertmanager > alertmanager:9094/udp": "gossip",
    "alertmanager > internet:443": "PagerDuty, past the bridge",
    "grafana > prometheus:9090": "dashboards",
}
OWN_PROMETHEUS = {
    "prometheus > toxicity-api:8100",
    "prometheus > bridge:9119",
    "prometheus > bridge:9120",
    "prometheus > alertmanager:9093",
    "prometheus > anywhere:443",
    "prometheus > anywhere:6443",
}
ON_GOOGLE = {
    "130.211.0.0/22 > bridge:9119",
    "35.191.0.0/16 > bridge:9119",
    "bridge > 10.0.0.0/8:5432",
    "10.0.0.0/8 > grafana:3000",
    *(line.format("grafana") for line in METADATA),
}
MORE = {
    "gke": OWN_PROMETHEUS | ON_GOOGLE,
    "gke-managed-prometheus": {
        "gmp-system > toxicity-api:8100",
        "gmp-system > bridge:9119",
        "gmp-system > bridge:9120",
        "gmp-system > alertmanager:9093",
        *(line.format("prometheus") for line in METADATA),
        *ON_GOOGLE,
    },
    "local": {
        "bridge > postgres:5432",
        "bridge > sandbox:9911",
        "bridge > sandbox:2525",
        "alertmanager > sandbox:9911",
        *OWN_PROMETHEUS,
    },
}


def expected(name: str) -> set[str]:
    parts = ["bridge", "alertmanager", "prometheus", "grafana", *(["postgres", "sandbox"] if name == "local" else [])]
    return {*EVERYWHERE, *MORE[name], *(line.format(part) for line in DNS for part in parts)}


@pytest.mark.parametrize("name", OVERLAYS)
def test_exactly_the_needed_connections_are_allowed(name: str) -> None:
    assert connections(overlay(name)) == expected(name)


@pytest.mark.parametrize("name", OVERLAYS)
def test_both_ends_allow_the_same_connections(name: str) -> None:
    assert one_sided(overlay(name)) == set()


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_pod_denies_other_connections_in_both_directions(name: str) -> None:
    assert unprotected(overlay(name)) == set()


def _open(manifest: Manifest) -> None:
    manifest["spec"]["egress"].append({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 80}]})


def _other_port(manifest: Manifest) -> None:
    manifest["spec"]["ingress"][0]["ports"][0]["port"] = 9120


def _other_pods(manifest: Manifest) -> None:
    manifest["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] = "alert"


@pytest.mark.parametrize("breaking", [_open, _other_port, _other_pods])
def test_a_faulty_policy_is_found(breaking: Callable[[Manifest], None]) -> None:
    objects = overlay("gke")
    breaking(named(objects, "NetworkPolicy", "bridge"))
    assert connections(objects) != expected("gke")


def test_a_missing_default_policy_is_found() -> None:
    objects = overlay("gke")
    objects.remove(named(objects, "NetworkPolicy", "nothing-else", "ml"))
    assert unprotected(objects) == {"toxicity-api"}
