"""python -m k8s write | verify: the files of k8s/ that are copies of others."""

from __future__ import annotations

import sys

from k8s import shared_files


def main(arguments: list[str]) -> int:
    try:
        if arguments == ["write"]:
            for path in shared_files.write():
                print(f"wrote {path}")
            return 0
        if arguments == ["verify"]:
            return _verify()
    except shared_files.OriginalError as fault:
        print(fault, file=sys.stderr)
        return 1
    print("usage: python -m k8s write | verify", file=sys.stderr)
    return 2


def _verify() -> int:
    faults = shared_files.faults()
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print("Run: python -m k8s write", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
