"""Model or world: the real model behind its API, a real bridge, and what responders read where they read it.

The model's own Prometheus is not there: its addresses are configured, and its answers are the only evidence.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bert_api.model import head, manifest
from bert_api.model.versions import SHIPPED, Versions
from dev.sandbox.running import RunningSandbox
from tests.bert_api.service.api_process import REAL, Api, running_api
from tests.end_to_end.machines import ROOT, Bridge, eventually, running_bridge
from tests.end_to_end.notified import mails, pages, posts

GOLDEN = ROOT / "bert_api" / "golden.csv"
WORLD = "Answers its golden set (50 of 50 right, as after the last deploy): the traffic changed"
MODEL = "Wrong on 25 of 50 golden texts (2.0.0), 0 by 1.1.0 after its deploy: the model"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """With 1.1.0 as it is shipped, and 2.0.0 for which every text is toxic."""
    folder = tmp_path / "api"
    folder.mkdir()
    broken = folder / "2.0.0"
    shutil.copytree(SHIPPED / "1.1.0", broken)
    good = head.read(broken)
    replace(good, bias=good.bias + 50).write(broken)
    described = manifest.read(broken)
    sums = {**described.files, head.HEAD: manifest.sha256(broken / head.HEAD)}
    replace(described, version="2.0.0", files=sums).write(broken)
    versions = Versions(SHIPPED, folder / "state")
    versions.add(broken)
    versions.activate("1.1.0")
    with running_api(folder, REAL) as running:
        yield running


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox, token: str, api: Api) -> Iterator[Bridge]:
    """That asks this API, and has its baseline."""
    routes = yaml.safe_load((ROOT / "routes.yaml").read_text())
    (probe,) = routes["context"]["probes"]
    del probe["instances"], probe["allowed"]
    probe |= {"urls": [api.url], "golden": str(GOLDEN), "budget": "60s", "timeout": "2s"}
    config = tmp_path / "routes.yaml"
    config.write_text(yaml.safe_dump(routes))
    with running_bridge(tmp_path, sandbox, token, config) as running:
        eventually(lambda: "probe_baseline" in running.log())
        yield running


def allow_next_probe(bridge: Bridge) -> None:
    """As a minute later: an address is asked once a minute."""
    with sqlite3.connect(bridge.folder / "bridge.db", timeout=60) as database:
        database.execute("DELETE FROM probe_lease")


def fire(bridge: Bridge, token: str, severity: str) -> None:
    labels = {"alertname": "MLToxicRate", "severity": severity, "service": "toxicity-api", "cause": "toxicity"}
    alert: dict[str, Any] = {
        "status": "firing", "labels": {**labels, "job": "toxicity-api"}, "annotations": {"summary": "Toxic"},
        "startsAt": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(), "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "", "fingerprint": "f1",
    }  # fmt: skip
    body = {
        "version": "4", "groupKey": '{}:{alertname="MLToxicRate"}', "receiver": "bridge", "status": "firing",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": [alert],
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{bridge.url}/webhook/alertmanager/prod"
    eventually(lambda: requests.post(url, json=body, headers=headers, timeout=60).ok)


def traffic(api: Api) -> dict[str, float]:
    """What the alert rules read of the API; its scrapes and health checks move nothing of it."""
    families = text_string_to_metric_families(api.scrape())
    samples = [sample for family in families for sample in family.samples]
    read = ("ml_prediction", "ml_confidence", "ml_processing", "ml_input", "ml_queue", "http_request_")
    return {
        f"{each.name}{sorted(each.labels.items())}": each.value
        for each in samples
        if each.name.startswith(read) and each.labels.get("handler", "/predict") == "/predict"
    }


def incident(bridge: Bridge) -> dict[str, Any]:
    return dict(requests.get(f"{bridge.url}/api/v1/incidents/1", timeout=60).json())


def test_a_model_that_answers_as_before_means_the_traffic(
    bridge: Bridge, sandbox: RunningSandbox, token: str, api: Api
) -> None:
    before = traffic(api)
    assert before
    allow_next_probe(bridge)
    fire(bridge, token, "critical")
    (page,) = eventually(lambda: [each for each in pages(sandbox) if WORLD in str(each["log"])])
    assert page["log"][-1]["custom_details"]["rule"] == "inputs_changed"
    assert (len(pages(sandbox)), page["pages"]) == (1, 1), "no phone rings for it"
    assert traffic(api) == before
    assert WORLD in json.dumps(incident(bridge), ensure_ascii=False)
    assert WORLD in requests.get(f"{bridge.url}/incidents/1", timeout=60).text
    assert_no_golden_text(bridge, api)


def test_a_broken_version_means_the_model(bridge: Bridge, sandbox: RunningSandbox, token: str, api: Api) -> None:
    assert api.command("deploy", "2.0.0").returncode == 0
    api.wait_for_version("2.0.0")
    allow_next_probe(bridge)
    fire(bridge, token, "info")
    eventually(lambda: [post for post in posts(sandbox) if f"• {MODEL}" in json.dumps(post, ensure_ascii=False)])
    assert MODEL in str(requests.get(f"{bridge.url}/incidents/1", timeout=60).text)
    assert_no_golden_text(bridge, api)


def test_a_model_that_hangs_is_unknown_and_holds_nothing_up(
    bridge: Bridge, sandbox: RunningSandbox, token: str, api: Api
) -> None:
    allow_next_probe(bridge)
    os.kill(api.popen.pid, signal.SIGSTOP)
    try:
        fire(bridge, token, "warning")
        eventually(lambda: mails(sandbox))
        said = "no answer within 2 s"
        eventually(lambda: said in json.dumps(incident(bridge)))
        assert "unknown whether the model or the traffic changed" in json.dumps(incident(bridge))
    finally:
        os.kill(api.popen.pid, signal.SIGCONT)
    assert len(mails(sandbox)) == 1, "what is not known is no reason for a mail"


def assert_no_golden_text(bridge: Bridge, api: Api) -> None:
    texts = [line.split(",", 1)[1].strip('"') for line in GOLDEN.read_text().splitlines()[1:]]
    written = bridge.log() + api.log() + api.scrape() + json.dumps(incident(bridge))
    assert [text for text in texts if text in written] == []
