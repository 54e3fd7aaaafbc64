"""model.json: what one version is, and the SHA-256 of every file it is made of.

Invariant: read once, at load; a missing key, a foreign schema or a changed file is refused with a text that says which.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bert_api.model.errors import ModelLoadError
from bert_api.model.prediction import CONFIDENCE_BOUNDS

MANIFEST = "model.json"
#: Raised when a version of an older program could be misread by a newer one.
SCHEMA = 1
_REBUILD = "Restore it from the repository, or rebuild it with `python -m bert_api.build`."


@dataclass(frozen=True)
class Manifest:
    """The contents of model.json. `files` and `encoder_files` map a file's name to its SHA-256 in hex."""

    version: str
    name: str
    framework: str
    quantization: str
    max_tokens: int
    baseline: tuple[tuple[float, float], ...]
    files: Mapping[str, str]
    encoder_files: Mapping[str, str]
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")


def read(folder: Path) -> Manifest:
    """Raises ModelLoadError if the file is missing, not JSON, of another schema, or lacks something."""
    path = folder / MANIFEST
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            raise ModelLoadError(f"{path}: expected an object with schema {SCHEMA}. {_REBUILD}")
        baseline = tuple((float(upper), float(share)) for upper, share in raw.pop("baseline"))
        manifest = Manifest(baseline=baseline, **raw)
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read: {error.strerror}. {_REBUILD}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ModelLoadError(f"{path} is not a description of a model: {error}. {_REBUILD}") from error
    _check_baseline(path, manifest.baseline)
    return manifest


def _check_baseline(path: Path, baseline: tuple[tuple[float, float], ...]) -> None:
    shares = [share for _, share in baseline]
    if [upper for upper, _ in baseline] != list(CONFIDENCE_BOUNDS) or shares != sorted(shares) or shares[-1] != 1.0:
        raise ModelLoadError(
            f"{path}: the baseline must give a rising share for each of the bounds {CONFIDENCE_BOUNDS}, ending at 1. "
            f"It is {baseline}. {_REBUILD}"
        )


def verify(folder: Path, checksums: Mapping[str, str], advice: str = _REBUILD) -> None:
    """Raises ModelLoadError naming the first file of `folder` that is missing or is not the one that was recorded."""
    if not checksums:
        raise ModelLoadError(f"{folder}: no checksums are recorded for its files. {_REBUILD}")
    for name, expected in checksums.items():
        path = folder / name
        if not path.is_file():
            raise ModelLoadError(f"{path} is missing. {_REBUILD}")
        seen = sha256(path)
        if seen != expected:
            raise ModelLoadError(f"{path} was changed: SHA-256 is {seen}, recorded is {expected}. {advice}")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
