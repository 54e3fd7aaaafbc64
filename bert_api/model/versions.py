"""Which versions there are, and which one is served.

Invariant: the pointer is replaced whole (written beside, flushed to the disk, renamed), so a reader sees the old or the
new version and never half a file, whenever the power goes.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bert_api.model import manifest
from bert_api.model.errors import VersionError

SHIPPED = Path(__file__).resolve().parent.parent / "models" / "versions"
POINTER = "current.json"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
#: Enough to walk back through a bad week.
_HISTORY = 50


class Versions:
    """shipped: the versions of the package, never written to. state: a folder of our own, created if missing."""

    def __init__(self, shipped: Path, state: Path) -> None:
        self.shipped = shipped
        self.state = state
        self._own = state / "versions"
        self._own.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """Oldest first."""
        folders = [*_folders(self.shipped), *_folders(self._own)]
        return sorted({folder.name for folder in folders}, key=_order)

    def folder(self, version: str) -> Path:
        """Raises VersionError if there is no such version."""
        if _VERSION.fullmatch(version):
            for root in (self._own, self.shipped):
                if (root / version / manifest.MANIFEST).is_file():
                    return root / version
        raise VersionError(f"there is no version {version!r}. There are: {', '.join(self.names()) or 'none'}.")

    def current(self) -> str:
        """The version to serve: the activated one, or the newest shipped one while none is activated."""
        return self._current(self._pointer())

    def history(self) -> list[str]:
        """What was served before, the latest last."""
        return list(self._pointer()["history"])

    def activate(self, version: str) -> str:
        """Returns the version served before. Raises VersionError if there is no such version."""
        self.folder(version)
        with self._locked():
            pointer = self._pointer()
            before = self._current(pointer)
            history = pointer["history"] if version == before else [*pointer["history"], before]
            self._replace({"current": version, "history": history[-_HISTORY:]})
        return before

    def rollback(self) -> str:
        """Back to what was served before; returns it. Raises VersionError if there is nothing to go back to."""
        with self._locked():
            history = self.history()
            if not history:
                raise VersionError(f"{self.current()} is the first version that was served: nothing to roll back to.")
            target = history.pop()
            self.folder(target)
            self._replace({"current": target, "history": history})
        return target

    def next(self) -> str:
        """The number for a new version: the next minor one."""
        major, minor, _ = _order((self.names() or ["0.0.0"])[-1])
        return f"{major}.{minor + 1}.0"

    def add(self, prepared: Path) -> str:
        """Takes a finished folder in, all or nothing, and leaves the original alone. Returns the version's name.

        Raises VersionError if that version exists, ModelLoadError if its model.json is not one.
        """
        version = manifest.read(prepared).version
        if not _VERSION.fullmatch(version):
            raise VersionError(f"{prepared}: the version {version!r} is not of the form 1.2.3.")
        with self._locked():
            if version in self.names():
                raise VersionError(f"version {version} exists already; a version is never overwritten.")
            staging = self._own / f".{version}.partial"
            shutil.rmtree(staging, ignore_errors=True)
            shutil.copytree(prepared, staging)
            # The one who trains may be another user than the ones who serve, and temporary folders are private.
            staging.chmod(0o755)
            for path in [*staging.iterdir(), staging]:
                _flush(path)
            staging.rename(self._own / version)
            _flush(self._own)
        return version

    def _current(self, pointer: dict[str, Any]) -> str:
        chosen = pointer["current"]
        if chosen is not None:
            self.folder(chosen)
            return str(chosen)
        shipped = sorted((folder.name for folder in _folders(self.shipped)), key=_order)
        if not shipped:
            raise VersionError(f"no model versions in {self.shipped}. Run `python -m bert_api.build`.")
        return shipped[-1]

    def _pointer(self) -> dict[str, Any]:
        path = self.state / POINTER
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return {"current": str(raw["current"]), "history": [str(version) for version in raw["history"]]}
        except FileNotFoundError:
            return {"current": None, "history": []}
        except (KeyError, TypeError, ValueError) as error:
            raise VersionError(f"{path} is not a pointer to a version: {error}. Delete it and deploy again.") from error

    def _replace(self, pointer: dict[str, Any]) -> None:
        partial = self.state / f".{POINTER}.partial"
        partial.write_text(json.dumps(pointer) + "\n", encoding="utf-8")
        _flush(partial)
        partial.replace(self.state / POINTER)
        _flush(self.state)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, of all processes; the kernel frees the lock of one that dies."""
        with (self.state / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [path for path in root.iterdir() if _VERSION.fullmatch(path.name) and (path / manifest.MANIFEST).is_file()]


def _order(version: str) -> tuple[int, int, int]:
    major, minor, patch = version.split(".")
    return int(major), int(minor), int(patch)


def _flush(path: Path) -> None:
    """To the disk; for a folder, its names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
