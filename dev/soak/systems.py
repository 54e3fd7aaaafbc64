"""The bridge and Alertmanager as processes that can be killed and restarted on their stored state."""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from dev.bench.machines import ROOT
from dev.bench.usage import family
from dev.sandbox.running import RunningSandbox
from dev.soak import configs
from dev.soak.plan import Alert
from dev.soak.proxy import Proxy
from dev.stack.binaries import find, working_folder
from dev.stack.free_port import free_port

#: What is due, leased to a worker, or waits for a vendor.
WAITING = "bridge_deliveries_pending{"


class System(ABC):
    """One system, in a folder of its own, with the sandbox for its vendors."""

    name: str
    kept = False  #: whether to keep its folder when something was lost

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    @abstractmethod
    def intake(self) -> str:
        """Where alerts are posted to."""

    @abstractmethod
    def body(self, alert: Alert, began: datetime, ended: datetime | None) -> bytes: ...

    @abstractmethod
    def _command(self) -> tuple[Sequence[str], Path]: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of each post."""
        return {"Content-Type": "application/json"}

    def _environment(self) -> Mapping[str, str]:
        return {}

    def at_rest(self) -> bool:
        """False while it reports something left to send; True for a system that reports nothing."""
        return True

    def start(self) -> None:
        command, place = self._command()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=place, env={**os.environ, **self._environment()}, stdout=log, stderr=log
            )

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)

    def kill(self, victim: str) -> None:
        """Kill all of it and restart it, as a service manager would."""
        assert self._process is not None
        _end(family(self._process.pid))
        self._process.wait()
        self.start()


class Bridge(System):
    """`bridge serve` behind nginx."""

    name = "bridge"
    kept = True

    def __init__(self, folder: Path, sandbox: RunningSandbox) -> None:
        super().__init__(folder)
        text = configs.ROUTES.format(http=sandbox.http_url, smtp=sandbox.smtp_address)
        (folder / "routes.yaml").write_text(text, encoding="utf-8")
        self._secrets = {
            "SOAK_ROUTING_KEY": secrets.token_hex(16),
            "SOAK_SLACK_TOKEN": f"xoxb-{secrets.token_hex(16)}",
            "SOAK_TOKEN": secrets.token_hex(16),
        }
        self._proxy = Proxy(folder, self._port)

    @property
    def intake(self) -> str:
        return f"{self._proxy.url}/webhook/alertmanager"

    @property
    def headers(self) -> Mapping[str, str]:
        return {**super().headers, "Authorization": f"Bearer {self._secrets['SOAK_TOKEN']}"}

    def start(self) -> None:
        self._proxy.start()  # first: without nginx nothing is left running
        super().start()

    def stop(self) -> None:
        self._proxy.stop()
        super().stop()

    def body(self, alert: Alert, began: datetime, ended: datetime | None) -> bytes:
        """As Alertmanager posts it."""
        status = "resolved" if ended else "firing"
        posted = {
            "status": status,
            **_alert_fields(alert, began),
            "endsAt": _time(ended) if ended else "0001-01-01T00:00:00Z",
        }
        named = {"alertname": alert.name}
        document: dict[str, Any] = {
            "version": "4", "groupKey": f'{{}}:{{alertname="{alert.name}"}}', "truncatedAlerts": 0, "status": status,
            "receiver": "soak", "groupLabels": named, "commonLabels": named, "commonAnnotations": {},
            "externalURL": "http://127.0.0.1:9093", "alerts": [posted],
        }  # fmt: skip
        return orjson.dumps(document)

    def at_rest(self) -> bool:
        """False also while it does not answer, for it is starting then."""
        waiting = [float(line.rpartition(" ")[2]) for line in self._metrics() if line.startswith(WAITING)]
        return bool(waiting) and not any(waiting)

    def _metrics(self) -> list[str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode("utf-8").splitlines()
        return []

    def kill(self, victim: str) -> None:
        """Web or worker are restarted by the bridge itself; its children must end with the supervisor."""
        assert self._process is not None
        if victim == "proxy":
            self._proxy.kill()
            return
        if victim == "everything":
            _end(family(self._process.pid))
        if victim in ("everything", "supervisor"):
            _end([self._process.pid])
            self._process.wait()
            super().start()
            return
        for pid in family(self._process.pid)[1:]:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                if victim.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                    os.kill(pid, signal.SIGKILL)

    def _command(self) -> tuple[Sequence[str], Path]:
        command = [sys.executable, "-m", "bridge", "serve", "--config", str(self._folder / "routes.yaml")]
        command += ["--database", f"sqlite:///{self._folder}/bridge.db", "--listen", f"127.0.0.1:{self._port}"]
        return command, ROOT

    def _environment(self) -> Mapping[str, str]:
        return self._secrets


class Alertmanager(System):
    name = "alertmanager"

    def __init__(self, folder: Path, sandbox: RunningSandbox) -> None:
        super().__init__(folder)
        text = configs.ALERTMANAGER.format(http=sandbox.http_url, smtp=sandbox.smtp_address, key=secrets.token_hex(16))
        (folder / "alertmanager.yml").write_text(text, encoding="utf-8")

    @property
    def intake(self) -> str:
        return f"{self.url}/api/v2/alerts"

    def body(self, alert: Alert, began: datetime, ended: datetime | None) -> bytes:
        """As Prometheus posts it, but with an end far ahead, for it is not sent again."""
        ends = ended or began + timedelta(days=1)
        return orjson.dumps([{**_alert_fields(alert, began), "endsAt": _time(ends)}])

    def _command(self) -> tuple[Sequence[str], Path]:
        binary = find("alertmanager")
        command = [str(binary), f"--config.file={self._folder}/alertmanager.yml", "--log.level=error"]
        command += [f"--storage.path={self._folder}/data", f"--web.listen-address=127.0.0.1:{self._port}"]
        return [*command, "--cluster.listen-address="], working_folder(binary)


def _end(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _alert_fields(alert: Alert, began: datetime) -> dict[str, Any]:
    return {
        "labels": {"alertname": alert.name, "severity": "critical", "job": "soak"},
        "annotations": {"summary": f"{alert.name} is wrong"},
        "startsAt": _time(began),
        "generatorURL": "http://127.0.0.1:9090/graph?g0.expr=up",
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
