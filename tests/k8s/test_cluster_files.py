"""The files that pods read are those of the repository, and the programs accept them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from werkzeug.security import generate_password_hash

from bert_api.service.settings import from_environment
from bridge.app.settings import load
from bridge.web.auth import check_listen
from dev.sandbox.credentials import fresh_credentials
from dev.stack.binaries import find
from k8s import shared_files
from tests.k8s.cluster_checks import SECRETS
from tests.k8s.cluster_objects import (
    OVERLAYS,
    ROOT,
    Manifest,
    checked,
    chosen,
    config_map,
    containers,
    environment,
    named,
    of_kind,
    overlay,
    pod,
    ports_of,
)

each_overlay = pytest.mark.parametrize("each", OVERLAYS)
with_own_prometheus = pytest.mark.parametrize("each", ["gke", "local"])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The originals and their copies."""
    for name in ("k8s", "rules", "docker"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "routes.yaml", tmp_path)
    return tmp_path


def test_every_copy_is_up_to_date() -> None:
    words = [sys.executable, "-m", "k8s", "verify"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("file", "added"),
    [
        ("rules/critical.yml", "# one more line\n"),
        ("routes.yaml", "storm: {}\n"),
        ("docker/grafana/grafana.ini", "; one more line\n"),
        ("docker/alertmanager/alertmanager.yml", "# one more line\n"),
        ("k8s/base/config/datasources.yml", "# changed in the wrong place\n"),
    ],
)
def test_an_outdated_copy_is_reported_and_repaired(copy: Path, file: str, added: str) -> None:
    with (copy / file).open("a", encoding="utf-8") as opened:
        opened.write(added)
    assert shared_files.faults(copy) != []
    assert shared_files.write(copy) != []
    assert shared_files.faults(copy) == []


def test_a_copy_without_an_original_is_reported(copy: Path) -> None:
    (copy / "rules" / "info.yml").unlink()
    assert [fault for fault in shared_files.faults(copy) if "rules/info.yml is a copy of nothing" in fault]


def test_an_original_without_the_sandbox_is_explained(copy: Path) -> None:
    file = copy / "docker/alertmanager/alertmanager.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("sandbox:9911", "elsewhere:1"), encoding="utf-8")
    with pytest.raises(shared_files.OriginalError, match="change SANDBOX there"):
        shared_files.copies(copy)


def test_links_to_runbooks_use_the_configured_url(copy: Path) -> None:
    kustomization = copy / "k8s/base/kustomization.yaml"
    text = kustomization.read_text(encoding="utf-8")
    kustomization.write_text(text.replace("bridge.example.org", "bridge.your-company.com"), encoding="utf-8")
    shared_files.write(copy)
    for name in ("alertmanager.yml", "dashboards/mlops-overview.json"):
        written = (copy / "k8s/base/config" / name).read_text(encoding="utf-8")
        assert "https://bridge.your-company.com/runbooks" in written and "127.0.0.1" not in written
    kustomization.write_text(text.replace("BRIDGE_EXTERNAL_URL=", "OTHER="), encoding="utf-8")
    with pytest.raises(shared_files.OriginalError, match="does not say BRIDGE_EXTERNAL_URL"):
        shared_files.copies(copy)


@each_overlay
def test_no_message_links_to_a_placeholder(each: str, tmp_path: Path) -> None:
    settings = settings_of(overlay(each), tmp_path)
    addresses = (settings.runbook_base_url, settings.dashboard_base_url, settings.sources[0].alertmanager_ui)
    assert [address for address in addresses if address and "example" in address] == []


def test_every_rule_file_and_every_dashboard_is_mounted() -> None:
    objects = overlay("gke")
    assert set(config_map(objects, "prometheus-rules")) == {file.name for file in (ROOT / "rules").glob("*.yml")}
    dashboards = {file.name for file in (ROOT / "docker/grafana/dashboards").glob("*.json")}
    assert set(config_map(objects, "grafana-dashboards")) == dashboards


@each_overlay
def test_no_object_exceeds_the_limit_of_the_last_applied_annotation(each: str) -> None:
    # https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/: 256 KiB
    assert [1 for manifest in overlay(each) if len(str(manifest).encode()) > 200_000] == []


def settings_of(objects: list[Manifest], folder: Path) -> Any:
    """The bridge's settings as its pod would read them."""
    (folder / "routes.yaml").write_text(config_map(objects, "bridge-routes")["routes.yaml"], encoding="utf-8")
    made = dict.fromkeys(SECRETS["bridge"], "sixteen-signs-or-more")
    made["BRIDGE_PASSWORD_HASH"] = generate_password_hash("secret", method="pbkdf2:sha256:1000")
    return load(folder / "routes.yaml", {**made, **fresh_credentials(), **config_map(objects, "bridge")})


@each_overlay
def test_the_bridge_accepts_its_routes_and_listens(each: str, tmp_path: Path) -> None:
    objects = overlay(each)
    settings = settings_of(objects, tmp_path)
    web, _ = pod(named(objects, "Deployment", "bridge"))["containers"]
    address, _, port = environment(web)["BRIDGE_LISTEN"].partition(":")
    check_listen(address, settings)
    assert int(port) == ports_of(named(objects, "Deployment", "bridge"))["http"]


def test_cloud_monitoring_is_a_source_on_google_only(tmp_path: Path) -> None:
    names = {each: [source.name for source in settings_of(overlay(each), tmp_path).sources] for each in OVERLAYS}
    google = ["prod", "google"]
    assert names == {"local": ["prod"], "gke": google, "gke-managed-prometheus": google}


@pytest.mark.parametrize("missing", ["ALERTMANAGER_TOKEN", "BRIDGE_PASSWORD_HASH", "SLACK_BOT_TOKEN"])
def test_a_missing_secret_is_found(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SECRETS, "bridge", SECRETS["bridge"] - {missing})
    monkeypatch.setattr(sys.modules[__name__], "fresh_credentials", dict)
    monkeypatch.setattr(sys.modules[__name__], "generate_password_hash", lambda *_, **__: "")
    with pytest.raises(Exception, match=missing):
        settings_of(overlay("gke"), tmp_path)


@each_overlay
def test_the_addresses_in_the_configuration_are_services(each: str) -> None:
    objects = overlay(each)
    texts = [*config_map(objects, "bridge").values(), config_map(objects, "alertmanager")["alertmanager.yml"]]
    texts += [config_map(objects, "grafana-datasources")["datasources.yml"]]
    addresses = set(re.findall(r"(?:http://|^)([a-z][a-z-]*):(\d+)", "\n".join(texts), re.MULTILINE))
    services = of_kind(objects, "Service")
    known = {(s["metadata"]["name"], str(port["port"])) for s in services for port in s["spec"]["ports"]}
    assert ("bridge", "9119") in addresses and ("prometheus", "9090") in addresses
    assert addresses - known == set()


@each_overlay
def test_the_api_accepts_its_settings_and_has_the_version(each: str) -> None:
    objects = overlay(each)
    deployment = named(objects, "Deployment", "toxicity-api", "ml")
    first, serving = containers(deployment)
    settings = from_environment(environment(serving))
    assert settings.port == ports_of(deployment)["http"]
    assert str(settings.state) == environment(first)["BERT_API_STATE"]
    version = config_map(objects, "toxicity-api")["MODEL_VERSION"]
    assert (ROOT / "bert_api/models/versions" / version / "model.json").is_file()


def test_the_init_container_selects_the_version(tmp_path: Path) -> None:
    objects = overlay("gke")
    first, _ = containers(named(objects, "Deployment", "toxicity-api", "ml"))
    version = config_map(objects, "toxicity-api")["MODEL_VERSION"]
    words = [
        sys.executable if word == "python" else word.replace("$(MODEL_VERSION)", version) for word in first["command"]
    ]
    given = {**environment(first), "BERT_API_STATE": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(words, cwd=ROOT, env=given, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f'"current": "{version}"' in (tmp_path / "current.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(("workload", "sources"), [("toxicity-api", "bert_api"), ("bridge", "bridge/web")])
def test_the_paths_of_probes_exist(workload: str, sources: str) -> None:
    namespace = "ml" if workload == "toxicity-api" else "monitoring"
    deployment = named(overlay("gke"), "Deployment", workload, namespace)
    every = [value for each in containers(deployment) for key, value in each.items() if key.endswith("Probe")]
    probes = [probe for probe in every if "exec" not in probe]
    paths = {probe["httpGet"]["path"] for probe in probes}
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / sources).rglob("*.py"))
    assert paths <= set(re.findall(r'\.get\("([^"]+)"\)', code)) and paths
    assert {probe["httpGet"]["port"] for probe in probes} <= set(ports_of(deployment))


def test_prometheus_has_the_jobs_and_intervals_of_docker() -> None:
    ours = yaml.safe_load(config_map(overlay("gke"), "prometheus")["prometheus.yml"])
    docker = yaml.safe_load((ROOT / "docker/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert docker["global"] == ours["global"] and docker["rule_files"] == ours["rule_files"]
    assert [job["job_name"] for job in docker["scrape_configs"]] == [job["job_name"] for job in ours["scrape_configs"]]


def scraped_workloads(job: dict[str, Any], objects: list[Manifest]) -> list[str]:
    """The workloads whose pods a job scrapes, by the rules that keep or drop."""
    (discovery,) = job["kubernetes_sd_configs"]
    (rule,) = [rule for rule in job["relabel_configs"] if rule.get("action") == "keep"]
    found = []
    for namespace in discovery["namespaces"]["names"]:
        for workload in chosen(objects, namespace, {}):
            label = workload["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
            found += [label for port in ports_of(workload) if re.fullmatch(rule["regex"], f"{label};{port}")]
    return found


@with_own_prometheus
def test_each_job_finds_its_pods_once_and_labels_namespace_and_pod(each: str) -> None:
    objects = overlay(each)
    jobs = yaml.safe_load(config_map(objects, "prometheus")["prometheus.yml"])["scrape_configs"]
    found = {job["job_name"]: scraped_workloads(job, objects) for job in jobs if "kubernetes_sd_configs" in job}
    # web and worker of the bridge are separate targets
    expected = {"alert-bridge": ["bridge"] * 2, "alertmanager": ["alertmanager"], "toxicity-api": ["toxicity-api"]}
    assert found == expected
    for job in (job for job in jobs if "relabel_configs" in job):
        targets = [rule.get("target_label") for rule in job["relabel_configs"]]
        assert {"namespace", "pod"} <= set(targets)


@with_own_prometheus
def test_prometheus_sends_alerts_to_each_alertmanager_by_name(each: str) -> None:
    objects = overlay(each)
    content = yaml.safe_load(config_map(objects, "prometheus")["prometheus.yml"])
    (static,) = content["alerting"]["alertmanagers"][0]["static_configs"]
    stateful = named(objects, "StatefulSet", "alertmanager")
    peers, count = stateful["spec"]["serviceName"], stateful["spec"]["replicas"]
    assert static["targets"] == [f"alertmanager-{number}.{peers}.monitoring.svc:9093" for number in range(count)]


def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    objects = overlay("gke")
    (tmp_path / "rules").mkdir()
    for name, text in config_map(objects, "prometheus-rules").items():
        (tmp_path / "rules" / name).write_text(text, encoding="utf-8")
    content = yaml.safe_load(config_map(objects, "prometheus")["prometheus.yml"])
    content["rule_files"] = [f"{tmp_path}/rules/*.yml"]
    for job in content["scrape_configs"]:  # Debian builds its promtool without Kubernetes
        for discovery in job.pop("kubernetes_sd_configs", []):
            assert (discovery["role"], list(discovery), list(discovery["namespaces"])) == (
                "pod",
                ["role", "namespaces"],
                ["names"],
            )
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    checked("promtool", "check", "config", str(tmp_path / "prometheus.yml"))


@each_overlay
def test_alertmanager_accepts_its_configuration_and_finds_its_secrets(each: str, tmp_path: Path) -> None:
    objects = overlay(each)
    text = config_map(objects, "alertmanager")["alertmanager.yml"]
    (tmp_path / "alertmanager.yml").write_text(text, encoding="utf-8")
    checked("amtool", "check-config", str(tmp_path / "alertmanager.yml"))
    specification = pod(named(objects, "StatefulSet", "alertmanager"))
    (secret,) = [volume["secret"] for volume in specification["volumes"] if "secret" in volume]
    files = {f"/etc/alertmanager/secrets/{item['path']}" for item in secret["items"]}
    assert set(re.findall(r"_file: (\S+)", text)) == files
    assert ("sandbox" in text.replace("# ", "")) == (each == "local")


@pytest.mark.parametrize("tool", ["prometheus", "alertmanager"])
def test_the_program_knows_every_flag(tool: str) -> None:
    (container,) = containers(named(overlay("gke"), "StatefulSet", tool))
    done = subprocess.run([str(find(tool)), "--help"], capture_output=True, text=True, timeout=600, check=False)
    known = set(re.findall(r"--(?:\[no-\])?([a-z.-]+)", done.stdout + done.stderr))
    assert {flag.partition("=")[0].removeprefix("--") for flag in container["args"]} <= known


def test_in_flight_autoscaling_stays_below_its_alert() -> None:
    content = yaml.safe_load((ROOT / "k8s/components/in-flight-autoscaling/kustomization.yaml").read_text())
    (operation,) = yaml.safe_load(content["patches"][0]["patch"])
    pods = operation["value"]["pods"]
    assert pods["metric"]["name"] == "http_requests_in_progress"
    assert int(pods["target"]["averageValue"]) < 50
    assert 'http_requests_in_progress{job="toxicity-api"}' in (ROOT / "rules/warning.yml").read_text(encoding="utf-8")
