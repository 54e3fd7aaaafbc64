"""Which connections the network policies of an overlay allow, as sentences "FROM > TO:PORT".

A connection between two pods needs both of its ends to allow it. What is not a pod here (the internet, a load balancer,
another namespace) has one end only, and is written as the policy names it.
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.k8s.cluster_objects import Manifest, chosen, labels_of, namespace_of, of_kind, workloads

PRIVATE = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}
Half = tuple[str, str, str, bool]  #: the workload, the other side, the port, whether the other side is a pod here


def connections(objects: list[Manifest]) -> set[str]:
    inward, outward = set(_halves(objects, "ingress")), set(_halves(objects, "egress"))
    both = {f"{source} > {own}:{port}" for own, source, port, here in inward if here} & {
        f"{own} > {target}:{port}" for own, target, port, here in outward if here
    }
    outside = {f"{source} > {own}:{port}" for own, source, port, here in inward if not here}
    outside |= {f"{own} > {target}:{port}" for own, target, port, here in outward if not here}
    return both | outside


def one_sided(objects: list[Manifest]) -> set[str]:
    """Connections that only one end allows: a policy without effect."""
    inward = {f"{source} > {own}:{port}" for own, source, port, here in _halves(objects, "ingress") if here}
    outward = {f"{own} > {target}:{port}" for own, target, port, here in _halves(objects, "egress") if here}
    return inward ^ outward


def unprotected(objects: list[Manifest]) -> set[str]:
    """Workloads without a policy that denies everything else in both directions."""
    found = set()
    for each in workloads(objects):
        kinds = {
            kind
            for policy in of_kind(objects, "NetworkPolicy")
            if each in _chosen_by(objects, policy)
            for kind in policy["spec"]["policyTypes"]
        }
        if kinds != {"Ingress", "Egress"}:
            found.add(_title(each))
    return found


def _chosen_by(objects: list[Manifest], policy: Manifest) -> list[Manifest]:
    return chosen(objects, namespace_of(policy), policy["spec"]["podSelector"].get("matchLabels", {}))


def _halves(objects: list[Manifest], direction: str) -> Iterator[Half]:
    for policy in of_kind(objects, "NetworkPolicy"):
        if direction.capitalize() not in policy["spec"]["policyTypes"]:
            if direction in policy["spec"]:
                raise ValueError(f"{policy['metadata']['name']} has {direction} rules without that policy type")
            continue
        for rule in policy["spec"].get(direction, []):
            yield from _of_rule(objects, policy, rule, rule.get("from" if direction == "ingress" else "to"))


def _of_rule(objects: list[Manifest], policy: Manifest, rule: dict[str, Any], peers: Any) -> Iterator[Half]:
    others = [("anywhere", False)] if peers is None else [o for peer in peers for o in _others(objects, policy, peer)]
    for workload in _chosen_by(objects, policy):
        for other, here in others:
            for port in rule["ports"]:
                udp = "/udp" if port.get("protocol") == "UDP" else ""
                yield _title(workload), other, f"{port['port']}{udp}", here


def _others(objects: list[Manifest], policy: Manifest, peer: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        public = block["cidr"] == "0.0.0.0/0" and set(block.get("except", [])) == PRIVATE
        yield "internet" if public else block["cidr"], False
        return
    labels = peer.get("podSelector", {}).get("matchLabels", {})
    spaces = peer.get("namespaceSelector", {}).get("matchLabels")
    where = namespace_of(policy) if spaces is None else spaces.get("kubernetes.io/metadata.name")
    if where in ("ml", "monitoring"):
        yield from ((_title(each), True) for each in chosen(objects, where, labels))
    else:
        parts = [f"{key}={value}" for key, value in {**(spaces or {}), **labels}.items()]
        yield ",".join(parts).replace("kubernetes.io/metadata.name=", ""), False


def _title(workload: Manifest) -> str:
    return labels_of(workload)["app.kubernetes.io/name"]
