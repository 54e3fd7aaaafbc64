"""docker/ is consistent in itself, with the code and with Compose; and each check finds a mistake in a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker.compose_faults import compose_faults
from tests.docker.compose_reading import Stack, copied
from tests.docker.image_faults import image_faults

ALWAYS = {
    "secrets",
    "alertmanager-1",
    "alertmanager-2",
    "grafana",
    "prometheus",
    "toxicity-api-0",
    "toxicity-api-1",
    "toxicity-api-2",
}
COMPOSE = "docker/compose.yaml"
PROMETHEUS = "docker/prometheus/prometheus.yml"
ALERTMANAGER = "docker/alertmanager/alertmanager.yml"
GRAFANA = "docker/grafana/grafana.ini"
DATASOURCES = "docker/grafana/provisioning/datasources/datasources.yml"
DOCKERFILE = "docker/Dockerfile"


def test_the_files_are_consistent_with_each_other_and_the_code() -> None:
    assert compose_faults(Stack()) == []
    assert image_faults(Stack()) == []


@pytest.mark.parametrize(
    ("profiles", "more"),
    [
        ((), {"sandbox", "traffic", "bridge"}),
        (("sqlite",), {"bridge"}),
        (("postgres",), {"bridge-web", "bridge-worker", "postgres"}),
    ],
    ids=["default", "sqlite", "postgres"],
)
def test_each_profile_starts_its_services(tmp_path: Path, profiles: tuple[str, ...], more: set[str]) -> None:
    root = copied(tmp_path)
    if profiles:
        edit(root, "docker/.env", "COMPOSE_PROFILES=sandbox,sqlite", f"COMPOSE_PROFILES={','.join(profiles)}")
    assert Stack(root, profiles=()).services.keys() == ALWAYS | more


def test_the_real_vendors_need_vendors_env_and_no_sandbox(tmp_path: Path) -> None:
    root = copied(tmp_path)
    (root / "docker" / "vendors.env").write_text((root / "docker" / ".env.example").read_text())
    stack = Stack(root, profiles=(), vendors=True)
    assert stack.services.keys() == ALWAYS | {"bridge"}
    environment = stack.services["bridge"]["environment"]
    assert environment["PAGERDUTY_BASE_URL"] == "https://events.pagerduty.com"
    assert environment["SMTP_ALLOW_PLAINTEXT"] == "false"
    assert stack.services["toxicity-api-0"]["environment"]["BERT_API_DRILLS"] == "0"
    assert "sandbox:" not in str({name: each.get("environment") for name, each in stack.services.items()})


def test_a_real_key_in_the_shell_does_not_reach_the_sandbox_stack() -> None:
    shell = (("PAGERDUTY_BASE_URL", "https://events.pagerduty.com"), ("PAGERDUTY_ROUTING_KEY", "real"))
    stack = Stack(profiles=(), shell=shell)
    assert stack.services["bridge"]["environment"]["PAGERDUTY_BASE_URL"] == "http://sandbox:9911"
    assert "real" not in str(stack.services["secrets"]["environment"])


def edit(root: Path, path: str, old: str, new: str) -> None:
    file = root / path
    text = file.read_text()
    assert old in text, f"{path} has no {old!r} any more: change the test with it"
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("path", "old", "new", "fault"),
    [
        (COMPOSE, "read_only: true\n  cap_drop", "read_onyl: true\n  cap_drop", "compose:"),
        (COMPOSE, "services:\n", "services: [\n", "compose:"),
        (COMPOSE, "read_only: true\n  cap_drop", "cap_drop", "bridge has a root file system that can be written to"),
        (COMPOSE, "cap_drop: [ALL]", "cap_drop: [NET_RAW]", "bridge keeps capabilities"),
        (COMPOSE, '"no-new-privileges:true"', '"apparmor:x"', "grafana may gain privileges"),
        (COMPOSE, 'user: "472:0"', 'user: "0:0"', "grafana has no user by number"),
        (COMPOSE, 'group_add: ["10001"]', "group_add: []", "alertmanager-1 is not of the group that may read"),
        (COMPOSE, "source: ../routes.yaml", "source: ../route.yaml", "route.yaml, which does not exist"),
        (COMPOSE, "source: ../rules,", "source: ../rule,", "prometheus mounts"),
        (COMPOSE, "prometheus/rules, read_only: true", "prometheus/rules", "prometheus may write"),
        (COMPOSE, '"127.0.0.1:9911:9911"', '"9911:9911"', "sandbox is published to others"),
        (COMPOSE, "127.0.0.1:8101:8100", "127.0.0.1:8101:8101", "toxicity-api-1 publishes 8101 and listens on [8100]"),
        (COMPOSE, "http://toxicity-api-2:8100", "http://toxicity-api-3:8100", "no service is called toxicity-api-3"),
        (COMPOSE, "http://prometheus:9090", "http://prometheus:9091", "asks prometheus:9091"),
        (COMPOSE, "aliases: [bridge]", "aliases: [bridges]", "bridge-web is not known as bridge"),
        (COMPOSE, "127.0.0.1:9120/-", "127.0.0.1:9121/-", "bridge-worker is asked for its health at 127.0"),
        (COMPOSE, "test: [CMD, promtool, query", "test: [CMD, curl, query", "prometheus is asked for its health with"),
        (COMPOSE, "PROMETHEUS_URL: ", "PROMETHEUS_URLS: ", "bridge has no PROMETHEUS_URL for routes.yaml"),
        (COMPOSE, "BERT_API_DRILLS: ", "BERT_API_DRILL: ", "BERT_API_DRILL, which the code does not read"),
        (COMPOSE, "target: /var/lib/bert-api}", "target: /var/lib/bert}", "keeps its state where no volume is"),
        (COMPOSE, "target: /etc/bridge/", "target: /etc/", "/etc/bridge/routes.yaml, which is not mounted"),
        (COMPOSE, "target: /etc/alertmanager/s", "target: /etc/s", "alertmanager_token, which is not made for it"),
        (COMPOSE, "source: grafana-secrets, target: /run", "source: bridge-secrets, target: /run", "grafana can see"),
        (COMPOSE, "target: /secrets/grafana", "target: /secrets/graphs", "make-secrets to"),
        (COMPOSE, "network_mode: none", "network_mode: bridge", "secrets needs no network"),
        (COMPOSE, "/run/secrets/postgres_password", "/run/secrets/pg", "postgres reads"),
        (COMPOSE, "peer=alertmanager-1:9094", "peer=alertmanager-2:9094", "its peer alertmanager-1"),
        (COMPOSE, "*bridge-metrics]\n    init: true", "*bridge-metrics]\n    init: false", "bridge-web is process 1"),
        (COMPOSE, "PROMETHEUS_MULTIPROC_DIR: /var/lib/bridge-metrics", "X: y", "bridge-web does not share its metrics"),
        (COMPOSE, "${GRAFANA_IMAGE:?the image of Grafana; docker/.env has it}", "grafana", "versions belong into"),
        (COMPOSE, "mem_limit: 512m\n    depends_on: *needs-secrets\n    h", "h", "grafana may start before"),
        (COMPOSE, "entrypoint: [make-secrets]", "entrypoint: [make-secrets, {}]", "compose:"),
        (COMPOSE, "pull_policy: never", "build: *build", "is built by"),
        (COMPOSE, "pull_policy: build", "", "may ask a registry for incident-bridge:0.1.0: pull_policy must be build"),
        ("docker/.env", "prom/prometheus:v3.13.2", "prom/prometheus:latest", "is not pinned to a version"),
        ("docker/.env", "GRAFANA_IMAGE=", "GRAFANA=", "compose:"),
        ("docker/.env", "STACK_VERSION=0.1.0", "STACK_VERSION=9.9.9", "the version of the bridge"),
        ("docker/sandbox.env", "sandbox:2525", "sandbox:2526", "docker/sandbox.env asks sandbox:2526"),
        ("docker/sandbox.env", "SMTP_TLS=none\n", "", "bridge has no SMTP_TLS for routes.yaml"),
        ("docker/.env.example", "SLACK_BOT_TOKEN=\n", "", ".env.example does not name SLACK_BOT_TOKEN"),
        ("docker/.env.example", "SMTP_PASSWORD=\n", "", ".env.example does not name SMTP_PASSWORD"),
        ("docker/.env.example", "GRAFANA_ADMIN_PASSWORD=\n", "", "does not name the secret GRAFANA_ADMIN_PASSWORD"),
        ("routes.yaml", "${SMTP_TO:", "${SMTP_TOO:", "bridge has no SMTP_TOO for routes.yaml"),
        (PROMETHEUS, '"alertmanager-1:9093", "alertmanager-2:9093"', '"alertmanager-1:9093"', "not both Alertmanagers"),
        (PROMETHEUS, "bridge:9119", "bridge:9120", "prometheus.yml asks bridge:9120"),
        (PROMETHEUS, "toxicity-api-1:8100", "toxicity-1:8100", "no service is called toxicity-1"),
        (ALERTMANAGER, "http://bridge:9119", "http://bridges:9119", "no service is called bridges"),
        (ALERTMANAGER, "secrets/alertmanager_token", "secrets/token", "reads /etc/alertmanager/secrets/token"),
        (GRAFANA, "grafana_admin_password", "grafana_password", "grafana reads /run/secrets/grafana_password"),
        (DATASOURCES, "prometheus:9090", "prometheus:9099", "datasources.yml asks"),
        (DOCKERFILE, '"--smtp"', '"--mail"', "the sandbox does not know --mail"),
        (DOCKERFILE, "0.0.0.0:9911", "0.0.0.0:9912", "sandbox publishes 9911"),
        (DOCKERFILE, "127.0.0.1:9119/-/ready", "127.0.0.1:9120/-/ready", "127.0.0.1:9120, where no service"),
        (DOCKERFILE, "LISTEN=0.0.0.0:8100", "LISTEN=0.0.0.0:8101", "toxicity-api-0 publishes 8100"),
        (DOCKERFILE, "BRIDGE_CONFIG=/etc/bridge/", "BRIDGE_CONFIG=/etc/", "/etc/routes.yaml, which is not"),
    ],
)
def test_an_inconsistent_stack_is_found(tmp_path: Path, path: str, old: str, new: str, fault: str) -> None:
    root = copied(tmp_path)
    edit(root, path, old, new)
    faults = compose_faults(Stack(root))
    assert any(fault in found for found in faults), faults


@pytest.mark.parametrize(
    ("path", "old", "new", "fault"),
    [
        (DOCKERFILE, "USER 10001:10001\n", "", "bridge runs as root"),
        (DOCKERFILE, "FROM ${PYTHON_IMAGE} AS runtime", "FROM python:latest AS runtime", "python:latest is built from"),
        (DOCKERFILE, "FROM api-files AS", "FROM ubuntu:24.04 AS", "ubuntu:24.04 is built from"),
        (DOCKERFILE, "FROM runtime AS bridge", "FROM bridge-files AS bridge", "bridge is built in one stage"),
        (DOCKERFILE, "COPY bridge /app", "COPY bridges /app", "bridges, which does not exist"),
        (DOCKERFILE, "COPY bridge /app/bridge", "COPY routes.yaml /app/", "routes.yaml, which .dockerignore keeps out"),
        (DOCKERFILE, "COPY bert_api/requirements.txt", "COPY bert_api/requirement.txt", "which does not exist"),
        (DOCKERFILE, "COPY dev/sandbox/requirements", "COPY dev/sandbox/requirements-x", "which does not exist"),
        (DOCKERFILE, "BRIDGE_LISTEN=", "PGPASSWORD=x BRIDGE_LISTEN=", "bridge has a secret in ENV"),
        (DOCKERFILE, " /var/lib/bridge-metrics", "", "no folder /var/lib/bridge-metrics for bridge-web"),
        (DOCKERFILE, "/secrets/grafana ", "", "no folder /secrets/grafana for secrets"),
        (DOCKERFILE, "docker/start/healthy.py /usr/local/bin/healthy", "bridge /healthy-", "runs healthy, which"),
        (DOCKERFILE, "org.opencontainers.image.revision", "revision", "bridge has no label revision"),
        (DOCKERFILE, "install --require-hashes", "install", "bridge-files installs without --require-hashes"),
        (DOCKERFILE, "--require-hashes -r /build/requirements-t", "-r /b", "trainer-files installs without"),
        (".dockerignore", "!dev/sandbox\n", "", "dev/sandbox, which .dockerignore keeps out"),
        (".dockerignore", "*\n!requirements.txt", "!requirements.txt", "lets in what is not named"),
    ],
)
def test_a_faulty_image_is_found(tmp_path: Path, path: str, old: str, new: str, fault: str) -> None:
    root = copied(tmp_path)
    edit(root, path, old, new)
    faults = image_faults(Stack(root))
    assert any(fault in found for found in faults), faults
