"""checkov, as `make check` runs it, finds what must never run: .checkov.yaml skips none of these."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.k8s.cluster_objects import ROOT

CHECKOV = ROOT / ".tools" / "checkov" / "bin" / "checkov"
BRIDGE, ALERTMANAGER, DOCKERFILE = "k8s/base/bridge.yaml", "k8s/base/alertmanager.yaml", "docker/Dockerfile"
LOCKED = "allowPrivilegeEscalation: false"
TOKEN = "xoxb-123456789012-123456789012-abcdefGHIJKLmnopqrst"
#: A file, a text in it, its replacement, and the check that finds it.
MISTAKES = [
    (BRIDGE, "runAsUser: 10001", "runAsUser: 0", "CKV_K8S_40"),
    (BRIDGE, "        runAsNonRoot: true\n        runAsUser: 10001\n", "", "CKV_K8S_23"),
    (BRIDGE, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "CKV_K8S_22"),
    (BRIDGE, LOCKED, "allowPrivilegeEscalation: true", "CKV_K8S_20"),
    (BRIDGE, LOCKED, f"{LOCKED}\n            privileged: true", "CKV_K8S_16"),
    (BRIDGE, "{drop: [ALL]}", "{drop: []}", "CKV_K8S_37"),
    (BRIDGE, "{drop: [ALL]}", "{drop: [ALL], add: [NET_RAW]}", "CKV_K8S_25"),
    (BRIDGE, "{type: RuntimeDefault}", "{type: Unconfined}", "CKV_K8S_31"),
    (BRIDGE, "enableServiceLinks: false", "hostPID: true", "CKV_K8S_17"),
    (BRIDGE, "enableServiceLinks: false", "hostIPC: true", "CKV_K8S_18"),
    (BRIDGE, "enableServiceLinks: false", "hostNetwork: true", "CKV_K8S_19"),
    (BRIDGE, "Token: false\n      enable", "Token: true\n      enable", "CKV_K8S_38"),
    (BRIDGE, "requests: {cpu: 100m, memory: 192Mi}", "requests: {memory: 192Mi}", "CKV_K8S_10"),
    (BRIDGE, "requests: {cpu: 100m, memory: 192Mi}", "requests: {cpu: 100m}", "CKV_K8S_12"),
    (BRIDGE, "limits: {memory: 512Mi}", "limits: {cpu: 1}", "CKV_K8S_13"),
    (BRIDGE, "image: bridge", "image: bridge:latest", "CKV_K8S_14"),
    (BRIDGE, "livenessProbe:", "ignored:", "CKV_K8S_8"),
    (ALERTMANAGER, "readinessProbe:", "ignored:", "CKV_K8S_9"),
    (DOCKERFILE, "USER 10001:10001\n", "", "CKV_DOCKER_3"),
    (DOCKERFILE, "USER 10001:10001\n", "USER root\n", "CKV_DOCKER_8"),
    (DOCKERFILE, "COPY bridge ", "ADD bridge ", "CKV_DOCKER_4"),
    (DOCKERFILE, "HEALTHCHECK", "# HEALTHCHECK", "CKV_DOCKER_2"),
    (DOCKERFILE, "ENV BRIDGE_", f"ENV TOKEN={TOKEN} BRIDGE_", "CKV_SECRET_14"),
]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """(name of a copy with one mistake, check); one run for all copies, because each run takes seconds."""
    folder = tmp_path_factory.mktemp("mistakes")
    for number, (file, old, new, _) in enumerate(MISTAKES):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r} any more: change the test with it"
        name = f"Dockerfile.{number}" if file == DOCKERFILE else f"{number}.yaml"
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    return _failed(sorted(folder.iterdir()))


def _failed(files: list[Path]) -> set[tuple[str, str]]:
    assert CHECKOV.is_file(), "checkov is not installed: make .tools/.checkov"
    words: list[str | Path] = [CHECKOV, "--config-file", ROOT / ".checkov.yaml", "--output", "json", "--file", *files]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    faults = [fault for report in json.loads(done.stdout) for fault in report["results"]["failed_checks"]]
    return {(Path(fault["file_path"]).name, fault["check_id"]) for fault in faults}


@pytest.mark.parametrize(("number", "check"), [(number, row[-1]) for number, row in enumerate(MISTAKES)])
def test_a_mistake_is_found(number: int, check: str, findings: set[tuple[str, str]]) -> None:
    assert findings & {(f"{number}.yaml", check), (f"Dockerfile.{number}", check)}
