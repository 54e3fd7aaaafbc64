"""The script that makes the Secrets: complete, repeatable, and without showing a value."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.k8s.cluster_checks import SECRETS
from tests.k8s.cluster_objects import ROOT

VENDORS = {
    "PAGERDUTY_ROUTING_KEY": "routing-key-of-test",
    "SLACK_BOT_TOKEN": "xoxb-token-of-test",
    "BRIDGE_PASSWORD_HASH": "pbkdf2:sha256:1$salt$hash",
}
DATABASE = {"BRIDGE_DATABASE_URL": "postgresql://bridge:p'w$d@10.1.2.3:5432/bridge?sslmode=require"}
#: Stands in for kubectl: stores what is applied, returns what is requested, and records its arguments.
KUBECTL = r"""#!/usr/bin/env bash
echo "$*" >>"$CLUSTER/calls"
if [ "$3" = get ]; then
  key=${!#}
  key=${key##*.data.}
  [ ! -e "$CLUSTER/$5.yaml" ] || sed -n "s/^  ${key%\}}: //p" "$CLUSTER/$5.yaml"
else
  text=$(cat)
  name=$(sed -n 's/.*{name: \([a-z]*\),.*/\1/p' <<<"$text")
  printf '%s\n' "$text" >"$CLUSTER/$name.yaml"
fi
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl").write_text(KUBECTL, encoding="utf-8")
    (tmp_path / "bin" / "kubectl").chmod(0o755)
    (tmp_path / "cluster").mkdir()
    return tmp_path / "cluster"


def run(cluster: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{cluster.parent / 'bin'}:{os.environ['PATH']}", "CLUSTER": str(cluster), **variables}
    words = [str(ROOT / "k8s" / "create-secrets.sh"), *options]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600, check=False)


def made(cluster: Path) -> dict[str, dict[str, str]]:
    """By secret and key, decoded."""
    read = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(cluster.glob("*.yaml"))]
    return {
        each["metadata"]["name"]: {key: base64.b64decode(value).decode() for key, value in each["data"].items()}
        for each in read
    }


def test_all_secrets_that_the_pods_read_are_made(cluster: Path) -> None:
    done = run(cluster, "--local", **VENDORS)
    assert (done.returncode, done.stderr) == (0, "")
    assert {name: set(values) for name, values in made(cluster).items()} == SECRETS


def test_given_values_are_stored_unchanged(cluster: Path) -> None:
    assert run(cluster, **VENDORS, **DATABASE).returncode == 0
    values = made(cluster)["bridge"]
    assert {**VENDORS, **DATABASE}.items() <= values.items()
    assert "postgres" not in made(cluster)
    assert len(values["ALERTMANAGER_TOKEN"]) == 64
    assert made(cluster)["alertmanager"]["ALERTMANAGER_TOKEN"] == values["ALERTMANAGER_TOKEN"]


def test_a_second_run_needs_no_values_and_changes_nothing(cluster: Path) -> None:
    run(cluster, "--local", **VENDORS)
    before = made(cluster)
    assert run(cluster, "--local").returncode == 0
    assert made(cluster) == before


def test_a_new_value_replaces_the_old_one(cluster: Path) -> None:
    run(cluster, "--local", **VENDORS)
    assert run(cluster, "--local", SLACK_BOT_TOKEN="xoxb-new").returncode == 0
    assert made(cluster)["bridge"]["SLACK_BOT_TOKEN"] == "xoxb-new"


def test_all_missing_values_are_reported_at_once_and_nothing_is_made(cluster: Path) -> None:
    done = run(cluster)
    assert done.returncode == 1 and made(cluster) == {}
    assert [name for name in (*VENDORS, *DATABASE) if f"{name} is not set" not in done.stderr] == []


def test_the_password_of_the_mail_server_is_optional_and_kept(cluster: Path) -> None:
    run(cluster, "--local", **VENDORS, SMTP_PASSWORD="mail")
    assert run(cluster, "--local").returncode == 0
    assert made(cluster)["bridge"]["SMTP_PASSWORD"] == "mail"


def test_a_dry_run_makes_nothing(cluster: Path) -> None:
    done = run(cluster, "--local", "--dry-run", **VENDORS)
    assert (done.returncode, made(cluster)) == (0, {})
    assert "would apply secret monitoring/grafana with GRAFANA_ADMIN_PASSWORD" in done.stdout


def test_no_value_is_an_argument_or_is_printed(cluster: Path) -> None:
    done = run(cluster, "--local", **VENDORS)
    output = done.stdout + done.stderr + (cluster / "calls").read_text(encoding="utf-8")
    values = [value for secret in made(cluster).values() for value in secret.values()]
    assert [value for value in values if value in output] == []


def test_an_unknown_option_is_explained(cluster: Path) -> None:
    assert "usage:" in run(cluster, "--force").stderr


def test_the_page_names_every_key() -> None:
    text = (ROOT / "docs" / "gke.md").read_text(encoding="utf-8")
    assert [key for keys in SECRETS.values() for key in keys if f"`{key}`" not in text] == []
