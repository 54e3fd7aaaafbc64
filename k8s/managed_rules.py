"""The alerting rules for Google's managed Prometheus: ClusterRules, which see both namespaces of one cluster.

Its rules know fewer fields than Prometheus' own (https://github.com/GoogleCloudPlatform/prometheus-engine, doc/api.md),
and there is no Prometheus server of ours to watch. Both are left out here, and the head of the file says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

RULE_FIELDS = ("record", "alert", "expr", "for", "labels", "annotations")
#: As evaluation_interval of Prometheus' own configuration; a managed group must say it.
INTERVAL = "15s"
#: What only a Prometheus server says about itself.
SERVER_METRICS = ("prometheus_",)
HEAD = """\
# yamllint disable rule:line-length
# Written by `python -m k8s write` from rules/*.yml; change those files instead.
# Left out, for managed rules do not have it: {dropped}.
# Left out, for there is no server of ours to watch: {alerts}.
"""


def document(folder: Path) -> str:
    """One ClusterRules for each file with groups."""
    read = {file: yaml.safe_load(file.read_text(encoding="utf-8"))["groups"] for file in sorted(folder.glob("*.yml"))}
    rules = [rule for groups in read.values() for group in groups for rule in group["rules"]]
    dropped = sorted({field for rule in rules for field in rule if field not in RULE_FIELDS})
    alerts = [rule["alert"] for rule in rules if not _is_of_use(rule)]
    head = HEAD.format(dropped=", ".join(dropped) or "nothing", alerts=", ".join(alerts) or "nothing")
    return head + "---\n".join(_dump(cluster_rules(file.stem, groups)) for file, groups in read.items())


def cluster_rules(name: str, groups: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.googleapis.com/v1",
        "kind": "ClusterRules",
        "metadata": {"name": f"incident-bridge-{name}"},
        "spec": {"groups": list(_groups(groups))},
    }


def _groups(groups: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for group in groups:
        rules = [_supported(rule) for rule in group["rules"] if _is_of_use(rule)]
        yield {"name": group["name"], "interval": group.get("interval", INTERVAL), "rules": rules}


def _supported(rule: dict[str, Any]) -> dict[str, Any]:
    return {field: rule[field] for field in RULE_FIELDS if field in rule}


def _is_of_use(rule: dict[str, Any]) -> bool:
    return not any(metric in rule["expr"] for metric in SERVER_METRICS)


def _dump(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=118)
