"""The files that pods read and that are kept elsewhere in the repository, as Kubernetes needs them.

kustomize reads nothing outside of its own folders (`kubectl apply -k` has no option for it), hence copies, checked
in.
Invariant: a copy differs from its original only by what is written here, and `verify` reports when one is out of date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from k8s import managed_rules

ROOT = Path(__file__).resolve().parent.parent
BASE = Path("k8s/base/config")
RULES = Path("k8s/components/prometheus/config/rules")
GRAFANA = Path("docker/grafana")
ALERTMANAGER = Path("docker/alertmanager/alertmanager.yml")
#: Where docker/alertmanager sends what goes past the bridge; without it, Alertmanager knows the real address.
#: Where docker/ says that the bridge's pages are; in the cluster it is what base/kustomization.yaml says.
PAGES = "http://127.0.0.1:9119"
KUSTOMIZATION = Path("k8s/base/kustomization.yaml")
EXTERNAL_URL = re.compile(r"^ *- BRIDGE_EXTERNAL_URL=(\S+)$", re.MULTILINE)
UNFILLED = "bridge.example.org"
SANDBOX = "      - url: http://sandbox:9911/v2/enqueue\n        routing_key_file:"
PAGERDUTY = "      - routing_key_file:"
HEAD = "# Written by `python -m k8s write` from {}; change that file instead.\n"


class OriginalError(Exception):
    """An original has changed so that its copy cannot be made; the text says what to do."""


def copies(root: Path = ROOT) -> Mapping[Path, str]:
    """Every written file, by its path from the repository's root, with the text that it must have."""
    makers: dict[Path, Callable[[], str]] = {
        BASE / "alertmanager.yml": partial(real_alertmanager, root),
        Path("k8s/overlays/local/config/alertmanager.yml"): partial(copied, root, ALERTMANAGER),
        BASE / "routes.yaml": partial(routes, root, cloud_monitoring=False),
        Path("k8s/components/gke/config/routes.yaml"): partial(routes, root, cloud_monitoring=True),
        BASE / "grafana.ini": partial(copied, root, GRAFANA / "grafana.ini", comment=";"),
        BASE / "datasources.yml": partial(copied, root, GRAFANA / "provisioning/datasources/datasources.yml"),
        BASE / "dashboards.yml": partial(copied, root, GRAFANA / "provisioning/dashboards/dashboards.yml"),
        Path("k8s/components/managed-prometheus/rules.yaml"): partial(managed_rules.document, root / "rules"),
    }
    for dashboard in sorted((root / GRAFANA / "dashboards").glob("*.json")):
        makers[BASE / "dashboards" / dashboard.name] = partial(compact, root, dashboard)
    for rules in sorted((root / "rules").glob("*.yml")):
        makers[RULES / rules.name] = partial(copied, root, rules.relative_to(root))
    return {path: make() for path, make in makers.items()}


def copied(root: Path, original: Path, comment: str = "#") -> str:
    head = HEAD.format(original).replace("#", comment, 1)
    return head + (root / original).read_text(encoding="utf-8")


def compact(root: Path, dashboard: Path) -> str:
    """On one line: all dashboards together must fit into the 256 KiB that `kubectl apply` can remember."""
    content = json.loads(dashboard.read_text(encoding="utf-8"))
    return with_pages(root, json.dumps(content, ensure_ascii=False, separators=(",", ":"))) + "\n"


def with_pages(root: Path, text: str) -> str:
    """With the address that the bridge's pages have in the cluster, once it is filled in."""
    found = EXTERNAL_URL.search((root / KUSTOMIZATION).read_text(encoding="utf-8"))
    if found is None:
        raise OriginalError(f"{KUSTOMIZATION} does not say BRIDGE_EXTERNAL_URL=..., the address of the bridge's pages")
    return text if UNFILLED in found[1] else text.replace(PAGES, found[1].rstrip("/"))


def real_alertmanager(root: Path) -> str:
    text = copied(root, ALERTMANAGER)
    if text.count(SANDBOX) != 1:
        raise OriginalError(
            f"{ALERTMANAGER} does not name the sandbox as PagerDuty in the way that k8s/shared_files.py takes out; "
            f"change SANDBOX there. Expected once:\n{SANDBOX}"
        )
    return with_pages(root, text.replace(SANDBOX, PAGERDUTY))


def routes(root: Path, *, cloud_monitoring: bool) -> str:
    """routes.yaml with a login, without which the bridge listens on its own machine only."""
    content: dict[str, Any] = yaml.safe_load((root / "routes.yaml").read_text(encoding="utf-8"))
    content.setdefault("web", {"users": {"oncall": "${BRIDGE_PASSWORD_HASH}"}})
    if cloud_monitoring:
        content["sources"].append(
            {
                "name": "google",
                "type": "cloud_monitoring",
                "basic_auth": {"username": "cloud-monitoring", "password": "${CLOUD_MONITORING_PASSWORD}"},
            }
        )
    return HEAD.format("routes.yaml") + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=118)


def write(root: Path = ROOT) -> list[Path]:
    """Returns what has changed."""
    texts = copies(root)
    changed = [path for path, text in texts.items() if _read(root / path) != text]
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(texts[path], encoding="utf-8")
    return changed


def faults(root: Path = ROOT) -> list[str]:
    """What is not as `write` would leave it: copies that are out of date, and copies of what is gone."""
    texts = copies(root)
    stale = [f"{path} is out of date" for path, text in texts.items() if _read(root / path) != text]
    folders = {path.parent for path in texts if "config" in path.parts}
    known = {*texts, Path("k8s/components/prometheus/config/prometheus.yml")}
    present = {file.relative_to(root) for folder in folders for file in (root / folder).glob("*.*")}
    return stale + [f"{path} is a copy of nothing: delete it" for path in sorted(present - known)]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
