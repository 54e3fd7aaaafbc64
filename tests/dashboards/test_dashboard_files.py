"""The files that Grafana reads: generated and up to date, provisioned under fixed names, without a password."""

from __future__ import annotations

import configparser
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from dashboards import files, mlops_overview
from dashboards.cli import main
from dashboards.dashboard import Row
from dashboards.limits import RUNBOOKS
from tests.dashboards.dashboard_reading import FOLDER, GRAFANA, ROOT, UIDS, Json, dashboard


def provisioned(kind: str) -> Json:
    (path,) = (GRAFANA / "provisioning" / kind).iterdir()
    document: Json = yaml.safe_load(path.read_text())
    assert document["apiVersion"] == 1
    return document


def test_the_dashboards_in_the_repository_are_up_to_date() -> None:
    assert files.verify() == []


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in files.write(tmp_path)}
    assert {path.name: path.read_bytes() for path in files.write(tmp_path)} == first
    assert first == {path.name: path.read_bytes() for path in FOLDER.iterdir()}


def test_verify_names_missing_changed_and_unknown_files(tmp_path: Path) -> None:
    files.write(tmp_path)
    (tmp_path / "model-health.json").unlink()
    (tmp_path / "alert-bridge.json").write_text("{}")
    (tmp_path / "unknown.json").write_text("{}")
    result = CliRunner().invoke(main, ["verify", "--folder", str(tmp_path)])
    assert result.exit_code == 1
    for text in (
        "model-health.json is missing",
        "alert-bridge.json is not what",
        "unknown.json belongs",
        "dashboards write",
    ):
        assert text in result.stderr
    assert "business-kpis" not in result.stderr


def test_write_repairs_what_verify_finds(tmp_path: Path) -> None:
    (tmp_path / "unknown.json").write_text("{}")
    assert CliRunner().invoke(main, ["write", "--folder", str(tmp_path)]).exit_code == 0
    assert CliRunner().invoke(main, ["verify", "--folder", str(tmp_path)]).exit_code == 0
    assert not (tmp_path / "unknown.json").exists()


def test_a_panel_keeps_its_identifier_when_another_is_inserted_before_it() -> None:
    """Otherwise older links to a panel would open another one."""
    original = mlops_overview.DASHBOARD
    newcomer = replace(original.rows[0].panels[0], id=99, title="Newcomer")
    changed = replace(original, rows=(Row(id=199, title="New", panels=(newcomer,)), *original.rows))
    before, after = ({each["id"]: each["title"] for each in d.to_json()["panels"]} for d in (original, changed))
    assert before.items() <= after.items()


def test_prometheus_is_the_default_data_source_and_cloud_monitoring_the_second() -> None:
    prometheus, cloud = provisioned("datasources")["datasources"]
    assert (prometheus["uid"], prometheus["type"], prometheus["isDefault"]) == ("prometheus", "prometheus", True)
    assert (cloud["uid"], cloud["type"]) == ("cloud-monitoring", "stackdriver")
    assert cloud["jsonData"]["authenticationType"] == "gce"
    assert "isDefault" not in cloud
    assert not (prometheus["editable"] or cloud["editable"])


def test_grafana_has_the_scrape_interval_of_prometheus() -> None:
    """$__rate_interval is computed from it; a shorter one would leave gaps in rates."""
    scraping = yaml.safe_load((ROOT / "docker" / "prometheus" / "prometheus.yml").read_text())
    prometheus = provisioned("datasources")["datasources"][0]
    assert prometheus["jsonData"]["timeInterval"] == scraping["global"]["scrape_interval"]


def test_the_dashboards_are_provisioned_read_only_from_their_mount() -> None:
    (provider,) = provisioned("dashboards")["providers"]
    assert provider["folderUid"] == "incident-bridge"
    assert provider["allowUiUpdates"] is False and provider["disableDeletion"] is True
    home = settings()["dashboards"]["default_home_dashboard_path"]
    assert Path(home).parent == Path(provider["options"]["path"])
    assert Path(home).stem in UIDS


def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string((GRAFANA / "grafana.ini").read_text())
    return parser


def test_the_admin_password_is_in_a_file_and_anonymous_access_is_off() -> None:
    ini = settings()
    assert re.fullmatch(r"\$__file\{/run/secrets/\w+\}", ini["security"]["admin_password"])
    assert not ini.getboolean("auth.anonymous", "enabled")
    assert not ini.getboolean("users", "allow_sign_up")


@pytest.mark.parametrize("path", sorted(GRAFANA.rglob("*.*")), ids=lambda path: path.name)
def test_no_file_of_grafana_contains_a_password(path: Path) -> None:
    for line in path.read_text().splitlines():
        said = re.search(r"(?i)(password|secret|token|api_?key)\w*[\"']?\s*[:=]\s*(\S+)", line)
        assert said is None or said[2].startswith("$__file{"), line


@pytest.mark.parametrize("uid", UIDS)
def test_a_dashboard_names_no_machine(uid: str) -> None:
    """Address, project and database belong to the data source."""
    text = json.dumps(dashboard(uid)).replace(RUNBOOKS, "")  # one address for all, to be changed in one place
    assert not re.search(r"localhost|127\.0\.0\.1|:9090|/tmp/|/home/", text)
