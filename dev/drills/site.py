"""A real bridge between a Prometheus and the sandbox, which notifies all channels of everything."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dev.sandbox.running import RunningSandbox, running_sandbox
from dev.stack.errors import StackError
from dev.stack.free_port import free_port
from dev.stack.places import ROOT

Json = dict[str, Any]
SETTLED_SECONDS, START_SECONDS, END_SECONDS = 240.0, 120.0, 60.0
CHANNELS = ("pagerduty-ml", "slack-ml", "email-ml")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Site:
    url: str
    sandbox: RunningSandbox
    token: str

    def post(self, path: str, body: Json) -> None:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(f"{self.url}{path}", json.dumps(body).encode(), headers)
        try:
            _DIRECT.open(request, timeout=60).close()
        except urllib.error.HTTPError as fault:
            raise StackError(f"{path} answered {fault.code}: {fault.read(500).decode()}") from None

    def get(self, path: str) -> str:
        with _DIRECT.open(f"{self.url}{path}", timeout=60) as answer:
            content: bytes = answer.read()
            return content.decode()

    def incidents(self) -> dict[str, Json]:
        """By group key."""
        listed = json.loads(self.get("/api/v1/incidents?limit=1000"))["incidents"]
        return {each["group_key"]: each for each in listed}

    def settle(self) -> None:
        """Until no delivery waits. Raises StackError."""
        deadline = time.monotonic() + SETTLED_SECONDS
        while not self._settled():
            if time.monotonic() > deadline:
                raise StackError(f"Some messages were not delivered within {SETTLED_SECONDS:.0f} s.")
            time.sleep(0.1)

    def _settled(self) -> bool:
        lines = self.get("/metrics").splitlines()
        waiting = [line for line in lines if line.startswith("bridge_deliveries_pending{")]
        return bool(waiting) and all(float(line.rpartition(" ")[2]) == 0 for line in waiting)


def routes() -> str:
    """The shipped ones, without limits that would make a drill wait, and with all channels for everything."""
    content = yaml.safe_load((ROOT / "routes.yaml").read_text(encoding="utf-8"))
    for source in content["sources"]:
        source.pop("url", None)  # there is no Alertmanager to ask
    for channel in content["channels"].values():
        channel["rate"] = "unlimited"
    content["route"] = {"notify": list(CHANNELS)}
    content["heartbeats"] = []
    content["context"] |= {"budget": "60s", "query_timeout": "60s"}  # the machine may be busy; what is said is judged
    return yaml.safe_dump(content)


@contextlib.contextmanager
def running_site(folder: Path, prometheus: str) -> Iterator[Site]:
    """Raises StackError when the bridge does not start."""
    with running_sandbox(history=100_000) as sandbox:
        token, url = secrets.token_hex(16), f"http://127.0.0.1:{free_port()}"
        config, log = folder / "routes.yaml", folder / "bridge.log"
        config.write_text(routes(), encoding="utf-8")
        command = [sys.executable, "-m", "bridge", "serve", "--config", str(config)]
        command += ["--database", f"sqlite:///{folder}/bridge.db", "--listen", url.removeprefix("http://")]
        environment = {**os.environ, **sandbox.environment(token), "PROMETHEUS_URL": prometheus}
        with log.open("wb") as stream:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stream, stderr=stream)
        try:
            _wait(process, url, log)
            yield Site(url, sandbox, token)
        finally:
            process.terminate()
            process.wait(END_SECONDS)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError):
            _DIRECT.open(f"{url}/-/ready", timeout=5).close()
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackError(f"The bridge did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
