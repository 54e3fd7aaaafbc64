"""Webs and workers on PostgreSQL, each a process of its own, as on more than one machine."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator

from dev.bench import configs, load
from dev.bench.databases import Server, postgresql_server
from dev.bench.machines import BRIDGE, ROOT, Sinks, System, routes_file, running
from dev.bench.measuring import Figures, Size, storm_on
from dev.stack.free_port import free_port

HALVES = 2  #: of each


def postgresql(name: str, size: Size) -> Figures:
    """The storm with two webs and two workers, which a load balancer would give the posts in turn."""
    with postgresql_server() as server:
        return storm_on(lambda sinks: running_apart(sinks, server, HALVES, HALVES), size.storm_groups)


@contextlib.contextmanager
def running_apart(sinks: Sinks, server: Server, webs: int, workers: int) -> Iterator[System]:
    """The server counts as one of its processes."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, contextlib.ExitStack() as running_ones:
        config, database = routes_file(folder, sinks), server.new_database()
        environment = {**configs.environment(), "BRIDGE_DATABASE_URL": database, "BRIDGE_CONFIG": config}
        pids, urls = [], []
        for _ in range(workers):
            address = f"127.0.0.1:{free_port()}"
            command, ready = [*BRIDGE, "worker", "--metrics-listen", address], f"http://{address}/-/healthy"
            pids.append(running_ones.enter_context(running(command, ROOT, environment, ready, folder)))
        for _ in range(webs):
            address = f"127.0.0.1:{free_port()}"
            command, ready = [*BRIDGE, "web", "--listen", address], f"http://{address}/-/ready"
            pids.append(running_ones.enter_context(running(command, ROOT, environment, ready, folder)))
            urls.append(f"http://{address}/webhook/alertmanager")
        first, *others = pids
        yield System("bridge", urls[0], first, load.webhook, 1, tuple(urls[1:]), (*others, server.pid))
