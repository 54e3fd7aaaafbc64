"""Vendors that send more than a worker can keep: what a worker's process takes at its peak stays small."""

from __future__ import annotations

import contextlib
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.channels.hostile_vendor import answering, running_vendor
from tests.channels.vendor_callers import AFTER_THE_HEAD, FLOODS, JSON

#: A megabyte that unpacks to one gigabyte, and a kilobyte that does so in two steps.
GZIP = gzip.compress(bytes(2**20), 9) * 1024
BOMBS = {
    "gzip": answering("200 OK", GZIP, JSON, "Content-Encoding: gzip"),
    "gzip twice": answering("200 OK", gzip.compress(GZIP), JSON, "Content-Encoding: gzip, gzip"),
    "deflate": answering("200 OK", GZIP, JSON, "Content-Encoding: deflate"),
}
EVERYTHING = {**FLOODS, **BOMBS}

#: In the worker's own loop: megabytes beyond what the libraries take, by way.
MEASURE = """
import asyncio, json, sys
sys.path.insert(0, sys.argv[1])
import uvloop
from tests.channels.vendor_callers import Caller

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))

async def main(kind, ports):
    before, took = None, {}
    for way, port in ports.items():
        caller = Caller(kind, f"http://127.0.0.1:{port}", 2, concurrency=2)
        before = before or peak()
        await asyncio.gather(caller.fails(), caller.fails())
        await caller.close()
        took[way] = peak() - before
    print(json.dumps(took))

uvloop.run(main(sys.argv[2], json.loads(sys.argv[3])))
"""


@pytest.mark.parametrize("kind", ["pagerduty", "slack", "webhook", "prometheus", "alertmanager", "ping"])
def test_no_flood_fills_the_memory(kind: str) -> None:
    """Of an Alertmanager 32 MiB are read, of others 4."""
    unread = {"ping": {*AFTER_THE_HEAD, *BOMBS}, "webhook": {*BOMBS}}.get(kind, set())  # a 200 is enough for them
    ways = {way: script for way, script in EVERYTHING.items() if way not in unread}
    with contextlib.ExitStack() as vendors:
        ports = {way: vendors.enter_context(running_vendor(script)).port for way, script in ways.items()}
        command = [sys.executable, "-c", MEASURE, str(Path(__file__).parents[2]), kind, json.dumps(ports)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    took = json.loads(done.stdout)
    assert ways.keys() == took.keys()
    assert not {way: size for way, size in took.items() if size > (160 if kind == "alertmanager" else 64)}
