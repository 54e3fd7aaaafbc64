"""Policies that Google Cloud accepts, and a script that can be run again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from tests.k8s.cluster_objects import ROOT

FOLDER = ROOT / "k8s" / "cloud-monitoring"
POLICIES = sorted((FOLDER / "policies").glob("*.json"))
PASSWORD = "sixteen-signs-or-more"
OPTIONS = ["--project=p1", "--cluster=c1", "--host=bridge.example.org", "--mail=oncall@example.org"]
OPTIONS = [part for option in OPTIONS for part in option.split("=")]
#: Stands in for gcloud: records its arguments and files; KNOWN makes it list an existing object.
GCLOUD = """#!/usr/bin/env bash
echo "$*" >>"$NOTES/calls"
for ((number = 1; number < $#; number++)); do
  case ${!number} in *-from-file) next=$((number + 1)); cp "${!next}" "$NOTES/files/" ;; esac
done
case $* in
  *list*) [ -z "${KNOWN:-}" ] || echo "projects/p1/known/7" ;;
  *create*) echo "projects/p1/things/1" ;;
esac
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gcloud").write_text(GCLOUD, encoding="utf-8")
    (tmp_path / "bin" / "gcloud").chmod(0o755)
    (tmp_path / "notes" / "files").mkdir(parents=True)
    return tmp_path / "notes"


def applied(notes: Path, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{notes.parent / 'bin'}:{os.environ['PATH']}",
        "TMPDIR": str(notes.parent),
        "NOTES": str(notes),
        "CLOUD_MONITORING_PASSWORD": PASSWORD,
        **more,
    }
    words = [str(FOLDER / "apply.sh"), *options]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600, check=False)


def calls(notes: Path) -> list[str]:
    file = notes / "calls"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def sent(notes: Path) -> Iterator[dict[str, Any]]:
    for file in sorted((notes / "files").iterdir()):
        yield json.loads(file.read_text(encoding="utf-8"))


def test_a_first_run_creates_everything_and_leaves_no_files(notes: Path) -> None:
    done = applied(notes, *OPTIONS)
    assert (done.returncode, done.stderr) == (0, "")
    assert len([call for call in calls(notes) if " create " in call]) == 3 + len(POLICIES)
    assert all(call.endswith(" --project p1") for call in calls(notes))
    assert {path.name for path in notes.parent.iterdir()} == {"bin", "notes"}


def test_a_second_run_updates_the_existing_objects(notes: Path) -> None:
    assert applied(notes, *OPTIONS, KNOWN="1").returncode == 0
    assert [call for call in calls(notes) if " create " in call] == []
    assert len([call for call in calls(notes) if " update projects/p1/known/7 " in call]) == 2 + len(POLICIES)


def test_a_dry_run_calls_nothing_and_prints_what_it_would_send(notes: Path) -> None:
    done = applied(notes, *OPTIONS, "--dry-run")
    assert (done.returncode, calls(notes)) == (0, [])
    assert "gcloud alpha monitoring policies create" in done.stderr
    assert 'cluster_name = \\"c1\\"' in done.stderr and "${" not in done.stderr


def test_no_command_and_no_output_contains_the_password(notes: Path) -> None:
    for name in ("basename", "head", "mktemp", "rm", "sed"):
        stand_in = notes.parent / "bin" / name
        stand_in.write_text(f'#!/bin/sh\necho "$*" >>"$NOTES/calls"\nexec {shutil.which(name)} "$@"\n')
        stand_in.chmod(0o755)
    for more in ([], ["--dry-run"]):
        done = applied(notes, *OPTIONS, *more)
        assert PASSWORD not in "".join([*calls(notes), done.stdout, done.stderr])
    assert [each["sensitiveLabels"]["password"] for each in sent(notes) if "sensitiveLabels" in each] == [PASSWORD]


def test_every_placeholder_is_replaced(notes: Path) -> None:
    applied(notes, *OPTIONS)
    texts = [json.dumps(each) for each in sent(notes)]
    assert len(texts) == 2 + len(POLICIES)
    assert [text for text in texts if "${" in text or ': ""' in text] == []


def test_policies_notify_the_bridge_and_its_watchdog_notifies_by_mail(notes: Path) -> None:
    applied(notes, *OPTIONS)
    files = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in (notes / "files").iterdir()}
    assert files["bridge.json"]["labels"]["url"] == "https://bridge.example.org/webhook/cloud-monitoring/google"
    ingress = (ROOT / "k8s/components/gke/ingress.yaml").read_text(encoding="utf-8")
    assert "path: /webhook/cloud-monitoring/google\n" in ingress and "path: /-/watchdog\n" in ingress
    templates = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in POLICIES}
    channels = {name: policy["notificationChannels"] for name, policy in templates.items()}
    assert channels.pop("watchdog") == ["${MAIL_CHANNEL}"]
    assert set(map(tuple, channels.values())) == {("${CHANNEL}",)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (OPTIONS[2:], "--project is missing"),
        ([*OPTIONS[:-1]], "--mail needs a value"),
        ([*OPTIONS, "--namespace", 'ml"} or vector(1)'], "is not a name"),
        ([*OPTIONS, "--region", "x"], "usage:"),
    ],
)
def test_invalid_options_are_explained(notes: Path, options: list[str], expected: str) -> None:
    done = applied(notes, *options)
    assert done.returncode == 2 and expected in done.stderr
    assert calls(notes) == []


def test_a_weak_password_is_refused(notes: Path) -> None:
    done = applied(notes, *OPTIONS, CLOUD_MONITORING_PASSWORD="short")
    assert done.returncode == 2 and "CLOUD_MONITORING_PASSWORD" in done.stderr


def policy_faults(policy: dict[str, Any]) -> Iterator[str]:
    """https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies"""
    if "name" in policy:
        yield "the server chooses the name"
    if not {"service", "severity", "cause"} <= set(policy["userLabels"]):
        yield "the bridge routes by these labels"
    if policy["userLabels"]["severity"] != policy["severity"].lower():
        yield "two severities"
    if len(policy["conditions"]) != 1:
        yield "one condition a policy: each is an incident of its own"
    for condition in policy["conditions"]:
        body = condition.get("conditionThreshold") or condition["conditionPrometheusQueryLanguage"]
        # Google's own metrics arrive every 60 s and up to 120 s late.
        if int(body["duration"].removesuffix("s")) < 180:
            yield "shorter than the figures take to come"
        if "query" in body:
            promql_parser.parse(body["query"].replace("${CLUSTER}", "c1").replace("${NAMESPACE}", "ml"))
            if int(body["evaluationInterval"].removesuffix("s")) % 30:
                yield "the interval is not a multiple of 30 s"


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_a_policy_is_valid(file: Path) -> None:
    assert list(policy_faults(json.loads(file.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("name",), "projects/p1/alertPolicies/1"),
        (("severity",), "CRITICAL"),
        (("userLabels", "cause"), None),
        (("conditions", 0, "conditionPrometheusQueryLanguage", "evaluationInterval"), "45s"),
        (("conditions", 0, "conditionPrometheusQueryLanguage", "duration"), "60s"),
    ],
)
def test_a_faulty_policy_is_found(place: tuple[Any, ...], value: object) -> None:
    policy = json.loads((FOLDER / "policies" / "traffic.json").read_text(encoding="utf-8"))
    at = policy
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    if value is None:
        del at[place[-1]]
    assert list(policy_faults(policy)) != []


def test_a_faulty_query_is_found() -> None:
    policy = json.loads((FOLDER / "policies" / "traffic.json").read_text(encoding="utf-8"))
    policy["conditions"][0]["conditionPrometheusQueryLanguage"]["query"] += ")"
    with pytest.raises(ValueError, match="unexpected right parenthesis"):
        list(policy_faults(policy))
