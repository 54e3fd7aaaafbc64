"""The list of what Prometheus and Alertmanager export, against what those on this machine really do."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from dev.stack import binaries
from dev.stack.free_port import free_port

ROOT = Path(__file__).resolve().parents[2]
LISTED = yaml.safe_load(Path(__file__).with_name("scraped_metrics.yml").read_text(encoding="utf-8"))
CONFIGURATION = {
    "prometheus": f"rule_files: ['{ROOT}/rules/*.yml']\n",
    "alertmanager": "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n",
}
MORE = {"prometheus": ["--storage.tsdb.path={folder}/data"],
        "alertmanager": ["--storage.path={folder}/data", "--cluster.listen-address="]}  # fmt: skip


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for name in CONFIGURATION:
        folder = tmp_path_factory.mktemp(name)
        with running(name, folder) as url:
            text = requests.get(f"{url}/metrics", timeout=60).text
        found |= {family.name: family for family in text_string_to_metric_families(text)}
    return found


@contextlib.contextmanager
def running(name: str, folder: Path) -> Iterator[str]:
    """Its address, as soon as it is ready."""
    listen = f"127.0.0.1:{free_port()}"
    config, binary = folder / "config.yml", binaries.find(name)
    config.write_text(CONFIGURATION[name])
    options = [option.format(folder=folder) for option in MORE[name]]
    command = [str(binary), f"--config.file={config}", f"--web.listen-address={listen}", *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=binaries.working_folder(binary))
    try:
        wait_for(f"http://{listen}/-/ready", process, folder / "log")
        yield f"http://{listen}"
    finally:
        process.terminate()
        process.wait(300)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=60).ok:
                return
        time.sleep(0.05)
    raise AssertionError(f"It did not come up:\n{log.read_text()}")


@pytest.mark.parametrize("name", [name for name in LISTED if name != "up"])  # Prometheus makes that one of each scrape
def test_it_exports_what_the_list_says(scraped: dict[str, Metric], name: str) -> None:
    """Newer versions may add labels, and the rules sum them away."""
    family = scraped[name.removesuffix("_total")]
    found = {label for sample in family.samples for label in sample.labels}
    assert (family.type, found >= set(LISTED[name]["labels"])) == (LISTED[name]["type"], True), found
