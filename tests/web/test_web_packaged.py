"""The installed package contains the files that the pages need."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_package_contains_templates_runbooks_and_static_files(tmp_path: Path) -> None:
    source, built = tmp_path / "source", tmp_path / "built"
    for name in ("bridge", "docs/runbooks"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source / name)
    command = [
        sys.executable,
        "-c",
        "import setuptools; setuptools.setup()",
        "--quiet",
        "build",
        "--build-lib",
        str(built),
    ]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=100)
    for folder in ("web/templates", "web/static", "templates", "runbooks"):
        wanted = {file.name for file in (ROOT / "bridge" / folder).iterdir() if file.is_file()}
        packed = {file.name for file in (built / "bridge" / folder).iterdir() if not file.is_symlink()}
        assert packed == wanted and wanted
