"""checkov, as `make check` asks it, finds what must never run: what .checkov.yaml leaves out hides none of these."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_mistakes import API, BRIDGE, GONE, GRAFANA, POD, mistaken
from cluster_objects import ROOT, overlay

CHECKOV = ROOT / ".tools" / "checkov" / "bin" / "checkov"
FIRST = f"{POD}/containers/0"
LOCKED = f"{FIRST}/securityContext"
#: What is wrong, the object, the place in it, what stands there instead, and which check finds it.
MISTAKES: list[tuple[str, str, str, Any, str]] = [
    ("it may run as root", BRIDGE, f"{POD}/securityContext", {}, "CKV_K8S_23"),
    ("it runs as root", BRIDGE, f"{POD}/securityContext/runAsUser", 0, "CKV_K8S_40"),
    (
        "it may write to its root",
        BRIDGE,
        f"{POD}/containers/1/securityContext/readOnlyRootFilesystem",
        False,
        "CKV_K8S_22",
    ),
    ("it may gain privileges", BRIDGE, f"{LOCKED}/allowPrivilegeEscalation", True, "CKV_K8S_20"),
    ("it is privileged", BRIDGE, f"{LOCKED}/privileged", True, "CKV_K8S_16"),
    ("it keeps all capabilities", API, f"{LOCKED}/capabilities/drop", GONE, "CKV_K8S_37"),
    ("it has one capability more", API, f"{LOCKED}/capabilities/add", ["NET_RAW"], "CKV_K8S_25"),
    ("what prepares it may do all", API, f"{POD}/initContainers/0/securityContext", GONE, "CKV_K8S_20"),
    ("it has no seccomp profile", BRIDGE, f"{POD}/securityContext/seccompProfile/type", "Unconfined", "CKV_K8S_31"),
    ("it is on the node's network", BRIDGE, f"{POD}/hostNetwork", True, "CKV_K8S_19"),
    ("it sees the node's processes", BRIDGE, f"{POD}/hostPID", True, "CKV_K8S_17"),
    ("it shares the node's memory", BRIDGE, f"{POD}/hostIPC", True, "CKV_K8S_18"),
    ("it has a token", BRIDGE, f"{POD}/automountServiceAccountToken", True, "CKV_K8S_38"),
    ("it has no limit of memory", GRAFANA, f"{FIRST}/resources/limits/memory", GONE, "CKV_K8S_13"),
    ("it asks for no memory", GRAFANA, f"{FIRST}/resources/requests/memory", GONE, "CKV_K8S_12"),
    ("it asks for no CPU", GRAFANA, f"{FIRST}/resources/requests/cpu", GONE, "CKV_K8S_10"),
    ("its image is the newest", API, f"{FIRST}/image", "toxicity-api:latest", "CKV_K8S_14"),
    ("its image has no tag", API, f"{FIRST}/image", "toxicity-api", "CKV_K8S_14"),
    ("nobody asks whether it hangs", API, f"{FIRST}/livenessProbe", GONE, "CKV_K8S_8"),
    ("nobody asks whether it is ready", API, f"{FIRST}/readinessProbe", GONE, "CKV_K8S_9"),
]


def found(folder: Path) -> Mapping[str, set[str]]:
    """File -> the checks that it fails."""
    files = [str(file) for file in sorted(folder.iterdir())]
    words = [str(CHECKOV), "--config-file", str(ROOT / ".checkov.yaml"), "--output", "json", "--file", *files]
    assert CHECKOV.is_file(), "checkov is not installed: make .tools/checkov"
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    reports = json.loads(done.stdout)
    failed = [
        each
        for report in (reports if isinstance(reports, list) else [reports])
        for each in report["results"]["failed_checks"]
    ]
    names = {Path(each["file_path"]).name for each in failed}
    return {name: {each["check_id"] for each in failed if Path(each["file_path"]).name == name} for name in names}


def file_of(what: str) -> str:
    return re.sub(r"\W+", "-", what) + ".yaml"


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """Of one run, for it takes seconds."""
    folder = tmp_path_factory.mktemp("mistakes")
    for what, target, place, value, _ in MISTAKES:
        manifest = mistaken(overlay("gke"), target, place, value)
        (folder / file_of(what)).write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return found(folder)


@pytest.mark.parametrize(("what", "check"), [(row[0], row[-1]) for row in MISTAKES])
def test_a_mistake_is_noticed(what: str, check: str, failing: Mapping[str, set[str]]) -> None:
    assert check in failing[file_of(what)]
