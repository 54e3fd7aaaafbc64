"""The rules for Google's managed Prometheus are equivalent to ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from k8s import managed_rules
from tests.k8s.cluster_objects import ROOT, checked, of_kind, overlay


def test_managed_rules_have_only_known_fields() -> None:
    kinds = of_kind(overlay("gke-managed-prometheus"), "ClusterRules")
    groups = [group for each in kinds for group in each["spec"]["groups"]]
    assert {field for group in groups for rule in group["rules"] for field in rule} <= set(managed_rules.RULE_FIELDS)
    assert {field for group in groups for field in group} == {"name", "interval", "rules"}
    docker = yaml.safe_load((ROOT / "docker/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert docker["global"]["evaluation_interval"] == managed_rules.INTERVAL


def test_prometheus_accepts_the_managed_rules_too(tmp_path: Path) -> None:
    for each in of_kind(overlay("gke-managed-prometheus"), "ClusterRules"):
        file = tmp_path / f"{each['metadata']['name']}.yml"
        file.write_text(yaml.safe_dump(each["spec"]), encoding="utf-8")
        checked("promtool", "check", "rules", str(file))


def test_managed_rules_leave_out_only_rules_about_our_own_servers() -> None:
    original = {
        rule.get("alert") or rule["record"]
        for file in (ROOT / "rules").glob("*.yml")
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    }
    kinds = of_kind(overlay("gke-managed-prometheus"), "ClusterRules")
    managed = [rule for each in kinds for group in each["spec"]["groups"] for rule in group["rules"]]
    left_out = original - {rule.get("alert") or rule["record"] for rule in managed}
    assert left_out == {
        "PrometheusConfigReloadFailed",
        "PrometheusNotConnectedToAlertmanagers",
        "PrometheusRuleFailures",
    }


@pytest.mark.parametrize("job", ["toxicity-api", "alert-bridge", "alertmanager"])
def test_managed_collection_has_the_jobs_of_the_rules(job: str) -> None:
    objects = overlay("gke-managed-prometheus")
    (found,) = [each for each in of_kind(objects, "PodMonitoring") if each["metadata"]["name"] == job]
    assert "pod" in found["spec"]["targetLabels"]["metadata"]
