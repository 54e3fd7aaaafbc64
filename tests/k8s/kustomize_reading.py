"""What `kubectl kustomize` makes of our folders, without kubectl: only the features that k8s/ uses, and no others.

A feature that is not read here is an error, so that nothing is tested that a cluster would not get. Where kubectl is
installed, a test compares the two.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
READ = {"apiVersion", "kind", "resources", "components", "configMapGenerator", "images", "patches"}
_NO_VOWELS = str.maketrans({"0": "g", "1": "h", "3": "k", "a": "m", "e": "t"})


def build(folder: Path) -> list[Manifest]:
    """The objects that an overlay stands for."""
    objects = _accumulated(folder, [])
    names = {name(each): _hashed(each) for each in objects if each.pop("_generated", None)}
    for each in objects:
        if name(each) in names:
            each["metadata"]["name"] = names[name(each)]
        for reference in _references(each):
            key = ("ConfigMap", each["metadata"]["namespace"], reference["name"])
            reference["name"] = names.get(key, reference["name"])
    return objects


def name(manifest: Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def _accumulated(folder: Path, before: list[Manifest]) -> list[Manifest]:
    file = folder / "kustomization.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if unknown := set(content) - READ:
        raise ValueError(
            f"{file} uses {', '.join(sorted(unknown))}, which tests/k8s/kustomize_reading.py does not read"
        )
    objects = list(before)
    for entry in content.get("resources", []):
        _add_resources(objects, folder / entry)
    for entry in content.get("components", []):
        objects = _accumulated(folder / entry, objects)
    for generator in content.get("configMapGenerator", []):
        _generate(objects, folder, generator)
    for patch in content.get("patches", []):
        _patch(objects, patch)
    for each in objects:
        for container in containers(each):
            _set_image(container, content.get("images", []))
    return objects


def _add_resources(objects: list[Manifest], path: Path) -> None:
    if path.is_dir():
        objects.extend(_accumulated(path, []))
        return
    known = {name(each) for each in objects}
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        if name(manifest) in known:
            raise ValueError(f"{path}: {name(manifest)} is there already")
        objects.append(copy.deepcopy(manifest))


def _generate(objects: list[Manifest], folder: Path, generator: dict[str, Any]) -> None:
    data = dict(entry.split("=", 1) for entry in generator.get("literals", []))
    for entry in generator.get("files", []):
        data[Path(entry).name] = (folder / entry).read_text(encoding="utf-8")
    metadata = {"name": generator["name"], "namespace": generator["namespace"]}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data, "_generated": True}
    same = [each for each in objects if name(each) == name(made)]
    if generator.get("behavior", "create") == "create":
        if same:
            raise ValueError(f"{folder}: ConfigMap {generator['name']} is there already")
        objects.append(made)
    else:
        (merged,) = same
        merged["data"] = {**merged["data"], **data}


def _patch(objects: list[Manifest], patch: dict[str, Any]) -> None:
    target = patch["target"]
    chosen = [e for e in objects if (e["kind"], e["metadata"]["name"]) == (target["kind"], target["name"])]
    if not chosen:
        raise ValueError(f"a patch changes nothing: {target}")
    for each in chosen:
        for operation in yaml.safe_load(patch["patch"]):
            _operate(each, operation)


def _operate(manifest: Manifest, operation: dict[str, Any]) -> None:
    *way, last = operation["path"].strip("/").split("/")
    place: Any = manifest
    for step in way:
        place = place[step]
    if operation["op"] != "add":
        raise ValueError(f"only `add` is read here, not {operation['op']}")
    if last == "-":
        place.append(operation["value"])
    else:
        place[last] = operation["value"]


def _set_image(container: dict[str, Any], images: list[dict[str, str]]) -> None:
    for image in images:
        if container["image"].partition(":")[0] == image["name"]:
            container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"


def pod_of(manifest: Manifest) -> dict[str, Any] | None:
    """The pod's specification in a workload; None for anything else."""
    template = manifest.get("spec", {}).get("template")
    return template["spec"] if manifest["kind"] in ("Deployment", "StatefulSet") else None


def containers(manifest: Manifest) -> list[dict[str, Any]]:
    pod = pod_of(manifest) or {}
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


def _references(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Every place that names a ConfigMap."""
    for volume in (pod_of(manifest) or {}).get("volumes", []):
        if "configMap" in volume:
            yield volume["configMap"]
    for container in containers(manifest):
        for entry in [*container.get("envFrom", []), *(e.get("valueFrom", {}) for e in container.get("env", []))]:
            for kind in ("configMapRef", "configMapKeyRef"):
                if kind in entry:
                    yield entry[kind]


def _hashed(config_map: Manifest) -> str:
    """https://github.com/kubernetes-sigs/kustomize/blob/master/api/hasher/hasher.go: it looks the name up in vain."""
    content = {"data": config_map["data"], "kind": "ConfigMap", "name": ""}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&\u2028\u2029":  # Go's encoder writes these so
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    digest = hashlib.sha256(text.encode()).hexdigest()[:10].translate(_NO_VOWELS)
    return f"{config_map['metadata']['name']}-{digest}"
