"""The page about GKE names what exists."""

from __future__ import annotations

import json
import re

import pytest

from tests.k8s.cluster_objects import OVERLAYS, ROOT, overlay, pod, workloads

PAGE = (ROOT / "docs" / "gke.md").read_text(encoding="utf-8")
UNITS = {"Gi": 1.0, "Mi": 1 / 1024, "m": 0.001, "": 1.0}


def amount(text: str) -> float:
    """In cores or GiB."""
    found = re.fullmatch(r"(\d+)(\w*)", text)
    assert found is not None, text
    return int(found[1]) * UNITS[found[2]]


def asked(name: str) -> tuple[int, str, str, str, int]:
    """Pods, cores, GiB requested, GiB of limits, GiB of volumes."""
    counted = [(each["spec"].get("replicas", 3), each) for each in workloads(overlay(name))]
    needs = [(count, box["resources"]) for count, each in counted for box in pod(each)["containers"]]
    claims = [(count, claim) for count, each in counted for claim in each["spec"].get("volumeClaimTemplates", [])]
    return (
        sum(count for count, _ in counted),
        f"{sum(count * amount(need['requests']['cpu']) for count, need in needs):.2f}",
        f"{sum(count * amount(need['requests']['memory']) for count, need in needs):.1f}",
        f"{sum(count * amount(need['limits']['memory']) for count, need in needs):.3g}",
        int(sum(count * amount(claim["spec"]["resources"]["requests"]["storage"]) for count, claim in claims)),
    )


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_totals_on_the_page_are_those_of_the_manifests(name: str) -> None:
    pods, cores, memory, limit, disk = asked(name)
    assert f"| `{name}` | {pods} | {cores} | {memory} / {limit} GiB | {disk} GiB |" in PAGE


def test_the_table_has_every_policy() -> None:
    files = (ROOT / "k8s" / "cloud-monitoring" / "policies").glob("*.json")
    names = {json.loads(file.read_text(encoding="utf-8"))["displayName"].partition("/")[2] for file in files}
    assert set(re.findall(r"^\| `(\w+)` \| .* \| (?:the bridge|a mailbox)", PAGE, re.MULTILINE)) == names


def test_every_path_on_the_page_exists() -> None:
    named = set(re.findall(r"k8s/[a-z/-]+(?:\.[a-z]+)?", PAGE))
    named |= {f"k8s/{path}" for path in re.findall(r"`((?:base|components|overlays|cloud-monitoring)/[a-z/-]*)`", PAGE)}
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_page_names_every_component_and_overlay() -> None:
    folders = [path for kind in ("components", "overlays") for path in sorted((ROOT / "k8s" / kind).iterdir())]
    assert [path.name for path in folders if f"{path.parent.name}/{path.name}" not in PAGE] == []
