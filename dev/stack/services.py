"""The services of the stack: how each is started, how it is known to be ready, and its address."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.stack.binaries import working_folder
from dev.stack.places import ROOT, ROUTES, Places
from dev.stack.ports import Ports


@dataclass(frozen=True)
class Service:
    """One child of the stack. `ready_url` answers 200 as soon as it can be used; without one, to run is enough.
    What is `late` starts when all others are ready."""

    name: str
    argv: tuple[str, ...]
    address: str
    ready_url: str
    folder: Path = ROOT
    late: bool = False


def services(ports: Ports, places: Places, tools: Mapping[str, Path], traffic: float) -> list[Service]:
    """In start order: servers before their clients. `traffic` in requests a second, or 0."""
    listed = [
        _sandbox(ports),
        _alertmanager(ports, places, tools["alertmanager"]),
        *(_api(number, port) for number, port in enumerate(ports.replicas)),
        _bridge(ports, places),
        _prometheus(ports, places, tools["prometheus"]),
    ]
    return [*listed, _traffic(ports, traffic)] if traffic else listed


def _sandbox(ports: Ports) -> Service:
    http, smtp = f"127.0.0.1:{ports.sandbox}", f"127.0.0.1:{ports.smtp}"
    argv = (sys.executable, "-m", "dev.sandbox", "serve", "--http", http, "--smtp", smtp)
    return Service("sandbox", argv, f"http://{http}", f"http://{http}/state?summary=1")


def _alertmanager(ports: Ports, places: Places, binary: Path) -> Service:
    listen = f"127.0.0.1:{ports.alertmanager}"
    argv = (
        str(binary),
        f"--config.file={places.run / 'alertmanager.yml'}",
        f"--storage.path={places.run / 'alertmanager'}",
        f"--web.listen-address={listen}",
        f"--web.external-url=http://{listen}",
        "--cluster.listen-address=",
    )
    return Service("alertmanager", argv, f"http://{listen}", f"http://{listen}/-/ready", working_folder(binary))


def _prometheus(ports: Ports, places: Places, binary: Path) -> Service:
    listen = f"127.0.0.1:{ports.prometheus}"
    argv = (
        str(binary),
        f"--config.file={places.run / 'prometheus.yml'}",
        f"--storage.tsdb.path={places.run / 'prometheus'}",
        "--storage.tsdb.retention.time=7d",
        f"--web.listen-address={listen}",
        f"--web.external-url=http://{listen}",
    )
    # Late, because in faster time a bridge that takes some seconds to start would already be an alert.
    folder = working_folder(binary)
    return Service("prometheus", argv, f"http://{listen}", f"http://{listen}/-/ready", folder, late=True)


def _bridge(ports: Ports, places: Places) -> Service:
    listen = f"127.0.0.1:{ports.bridge}"
    argv = (sys.executable, "-m", "bridge", "serve", "--config")
    options = (
        str(ROUTES),
        "--database",
        f"sqlite:///{places.database}",
        "--listen",
        listen,
    )
    return Service("bridge", argv + options, f"http://{listen}", f"http://{listen}/-/ready")


def _api(number: int, port: int) -> Service:
    listen = f"127.0.0.1:{port}"
    argv = (sys.executable, "-m", "bert_api", "serve", "--listen", listen)
    return Service(f"bert-api-{number}", argv, f"http://{listen}", f"http://{listen}/readyz")


def _traffic(ports: Ports, rate: float) -> Service:
    urls = (word for port in ports.replicas for word in ("--url", f"http://127.0.0.1:{port}"))
    argv = (sys.executable, "-m", "bert_api.traffic", "--duration", "0", "--rate", f"{rate:g}", *urls)
    return Service("traffic", argv, f"{rate:g} requests a second", "")
