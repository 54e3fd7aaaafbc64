#!/usr/bin/env python3
"""healthy URL: exit code 0 when it answers 2xx within three seconds. The images carry no curl."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

SECONDS = 3.0


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("healthy wants one address: healthy http://127.0.0.1:9119/-/ready")
    try:
        # No proxy: what is asked is this very container or its neighbour.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(sys.argv[1], timeout=SECONDS) as answer:
            print(answer.status)
    except urllib.error.HTTPError as refusal:
        sys.exit(f"{refusal.code}: {refusal.read(1000).decode(errors='replace')}")
    except (OSError, ValueError) as fault:
        sys.exit(f"{sys.argv[1]} does not answer: {fault}")


if __name__ == "__main__":
    main()
