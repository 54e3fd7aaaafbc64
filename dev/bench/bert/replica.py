"""One replica in a separate process, with its own state, ended by its caller."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dev.bench.machines import ROOT
from dev.stack.free_port import free_port

START_SECONDS = 60.0
RESIDENT = re.compile(r"VmRSS:\s+(\d+) kB")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Replica:
    url: str
    pid: int

    def resident_megabytes(self) -> float:
        found = RESIDENT.search(Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) / 1024 if found else float("nan")


@contextlib.contextmanager
def running_replica() -> Iterator[Replica]:
    """The served version is that of a new state, whatever this machine's own says. Other settings are the caller's."""
    listen = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="bench-") as state, tempfile.TemporaryFile() as log:
        environment = {**os.environ, "BERT_API_STATE": state}
        command = [sys.executable, "-m", "bert_api", "serve", "--listen", listen]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            if not _ready(process, f"http://{listen}/readyz"):
                log.seek(0)
                raise SystemExit(f"The API is not ready at {listen}:\n{log.read()[-3000:].decode(errors='replace')}")
            yield Replica(f"http://{listen}", process.pid)
        finally:
            process.terminate()
            process.wait(40)


def _ready(process: subprocess.Popen[bytes], url: str) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            _DIRECT.open(url, timeout=5).close()
            return True
        time.sleep(0.1)
    return False
