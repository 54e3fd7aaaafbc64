"""What `kubectl kustomize` makes of an overlay: the objects that a cluster would get."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FETCHED = ROOT / ".tools" / "kubectl"
OVERLAYS = ("gke", "gke-managed-prometheus", "local")


class RenderingError(Exception):
    """An overlay cannot be rendered; the text says what is missing or wrong."""


def rendered(overlay: str, root: Path = ROOT) -> str:
    """The YAML of all objects. Raises RenderingError."""
    folder = root / "k8s" / "overlays" / overlay
    done = subprocess.run([_kubectl(), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RenderingError(f"kubectl cannot render {folder}: {done.stderr.strip()}")
    return done.stdout


def write(target: Path) -> list[Path]:
    """One file for each overlay. Raises RenderingError."""
    target.mkdir(parents=True, exist_ok=True)
    files = {target / f"{overlay}.yaml": rendered(overlay) for overlay in OVERLAYS}
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
    return list(files)


def _kubectl() -> str:
    """The pinned one, where it runs; elsewhere the one on PATH."""
    found = shutil.which("kubectl", path=FETCHED) or shutil.which("kubectl")
    if found is None:
        raise RenderingError(
            f"kubectl is neither in {FETCHED} nor on PATH. `make .tools/.kubectl` fetches it on Linux on x86-64; "
            "elsewhere see https://kubernetes.io/docs/tasks/tools/"
        )
    return found
