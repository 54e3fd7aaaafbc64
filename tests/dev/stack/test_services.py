"""Who is started, in which order, and how."""

from pathlib import Path

from dev.stack.places import Places
from dev.stack.ports import Ports
from dev.stack.services import services

TOOLS = {"alertmanager": Path("/tools/alertmanager"), "prometheus": Path("/tools/prometheus")}


def test_the_watched_api_starts_before_who_watches_it(places: Places) -> None:
    names = [service.name for service in services(Ports(), places, TOOLS, traffic=4)]
    assert names == [
        "sandbox", "alertmanager", "bert-api-0", "bert-api-1", "bert-api-2", "bridge", "prometheus", "traffic",
    ]  # fmt: skip


def test_only_prometheus_waits_until_everything_can_answer_it(places: Places) -> None:
    assert [each.name for each in services(Ports(), places, TOOLS, traffic=4) if each.late] == ["prometheus"]


def test_each_replica_has_its_own_port_and_must_be_ready(places: Places) -> None:
    ports = Ports(api_1=18101)
    (service,) = [each for each in services(ports, places, TOOLS, traffic=0) if each.name == "bert-api-1"]
    assert service.argv[-2:] == ("--listen", "127.0.0.1:18101")
    assert service.ready_url == "http://127.0.0.1:18101/readyz"


def test_traffic_reaches_every_replica_and_can_be_left_out(places: Places) -> None:
    *_, traffic = services(Ports(), places, TOOLS, traffic=4)
    assert [word for word in traffic.argv if word.startswith("http")] == [
        f"http://127.0.0.1:{port}" for port in (8100, 8101, 8102)
    ]
    assert "traffic" not in [each.name for each in services(Ports(), places, TOOLS, traffic=0)]
