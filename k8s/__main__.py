"""python -m k8s write | verify | render FOLDER: the files that are copies of others, and each overlay as YAML."""

from __future__ import annotations

import sys
from pathlib import Path

from k8s import rendering, shared_files

USAGE = "usage: python -m k8s write | verify | render FOLDER"


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["write"]:
                return _say(shared_files.write())
            case ["verify"]:
                return _verify()
            case ["render", folder]:
                return _say(rendering.write(Path(folder)))
    except (shared_files.OriginalError, rendering.RenderingError) as fault:
        print(fault, file=sys.stderr)
        return 1
    print(USAGE, file=sys.stderr)
    return 2


def _say(written: list[Path]) -> int:
    for path in written:
        print(f"wrote {path}")
    return 0


def _verify() -> int:
    faults = shared_files.faults()
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print("Run: python -m k8s write", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
