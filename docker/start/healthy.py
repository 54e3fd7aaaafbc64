#!/usr/bin/env python3
"""healthy URL: exit code 0 when it answers 2xx within three seconds. The images carry no curl.

healthy --beat FILE: exit code 0 when the file was changed within a minute, as `bridge worker --beat-file FILE` does
while it moves. It is asked often, so it imports little.
"""

from __future__ import annotations

import os
import sys
import time

SECONDS, SILENT_SECONDS = 3.0, 60.0


def main() -> None:
    words = sys.argv[1:]
    if len(words) == 1:
        _ask(words[0])
    elif len(words) == 2 and words[0] == "--beat":
        _look(words[1])
    else:
        sys.exit("healthy wants an address or a file: healthy http://127.0.0.1:9119/-/ready, healthy --beat FILE")


def _ask(url: str) -> None:
    import urllib.error
    import urllib.request

    try:
        # No proxy: what is asked is this very container or its neighbour.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=SECONDS) as answer:
            print(answer.status)
    except urllib.error.HTTPError as refusal:
        sys.exit(f"{refusal.code}: {refusal.read(1000).decode(errors='replace')}")
    except (OSError, ValueError) as fault:
        sys.exit(f"{url} does not answer: {fault}")


def _look(file: str) -> None:
    """A clock that went back leaves a time in the future, which is as strange as an old one."""
    try:
        silent = abs(time.time() - os.stat(file).st_mtime)
    except (OSError, ValueError) as fault:
        sys.exit(f"{file} cannot be read: {fault}")
    if silent > SILENT_SECONDS:
        sys.exit(f"{file} was last changed {silent:.0f} s ago: the worker hangs")
    print(f"{silent:.0f} s ago")


if __name__ == "__main__":
    main()
