"""The models, the JSON Schema and docs/configuration.md have the same keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from bridge.app.settings import json_schema
from bridge.channels import CHANNEL_TYPES
from bridge.config.fields import Section
from bridge.config.places import keys_of, kind_of, options, secrets_of
from bridge.config.settings import file_model

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
CAUSES = Path(__file__).parents[2] / "bridge" / "core" / "context" / "causes"
SCHEMA = json_schema()
#: heading -> the models that the tables below it describe; a key of several must be in all of them
SECTIONS = {
    "Top level": ["RoutesFile"],
    "sources[]": ["SourceSettings"],
    "reconcile": ["ReconcileSettings"],
    "basic_auth": ["BasicAuthSettings"],
    "channels: what all have": [each.__name__ for each in CHANNEL_TYPES],
    "pagerduty": ["PagerDutySettings"],
    "slack": ["SlackSettings"],
    "email": ["EmailSettings"],
    "webhook": ["WebhookSettings"],
    "route": ["RouteNode"],
    "escalate[]": ["EscalationSettings"],
    "time_intervals[]": ["TimeIntervalEntry"],
    "time_intervals[].time_intervals[]": ["Interval"],
    "incidents": ["IncidentSettings"],
    "web, limits, log": ["RoutesFile"],
    "people[]": ["PersonSettings"],
    "web.tokens[]": ["ApiTokenSettings"],
    "Context": ["ContextSettings"],
    "context.prometheus": ["PrometheusSettings"],
    "context.questions[]": ["QuestionSettings"],
    "context.distributions[]": ["DistributionSettings"],
    "context.changes[]": ["ChangeRuleSettings"],
    "context.probes[]": ["ProbeSettings"],
    "context.probes[].fields": ["ProbeAnswerSettings"],
    "Heartbeats": ["HeartbeatSettings"],
    "Ping": ["PingSettings"],
    "storm": ["StormSettings", "ChannelStorm"],
}
#: described in the words of another key
IN_WORDS = {("Times", "start_time"), ("Times", "end_time")}


@dataclass(frozen=True)
class Row:
    section: str
    keys: tuple[str, ...]
    default: str


def rows() -> Iterator[Row]:
    for heading, body in re.findall(r"^##+ (.+?)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL):
        for table in re.findall(r"^\| key \|.*\n\|[-|]+\n((?:\|.*\n)+)", body, re.MULTILINE):
            for line in table.splitlines():
                key, default, *_ = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
                yield Row(heading, tuple(re.findall(r"`([^`]+)`", key)), default)


ROWS = list(rows())


def model(name: str) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA if name == "RoutesFile" else SCHEMA["$defs"][name]
    return found


def found(name: str, key: str) -> tuple[str, str]:
    """`flapping.turns` of Incidents is the key turns of Flapping."""
    first, _, rest = key.partition(".")
    node = model(name)["properties"][first]
    if not rest:
        return name, first
    (reference,) = re.findall(r"#/\$defs/(\w+)'", str(node))
    return found(reference, rest)


def documented() -> set[tuple[str, str]]:
    named = [(name, key) for row in ROWS for name in SECTIONS[row.section] for key in row.keys]
    return {found(name, part) for name, key in named for part in (key, key.partition(".")[0])}


def sections() -> dict[str, type[Section]]:
    """Every model below the file's, by its name in the schema."""
    found: dict[str, type[Section]] = {}

    def collect(kind: Any) -> None:
        for option in options(kind):
            for inner in get_args(option):
                collect(inner)
            if isinstance(option, type) and issubclass(option, Section) and option.__name__ not in found:
                found[option.__name__] = option
                for field in keys_of(option).values():
                    collect(kind_of(field))

    collect(file_model(CHANNEL_TYPES))
    return found


MODELS = sections()


def test_the_models_and_the_schema_have_the_same_keys() -> None:
    assert set(MODELS) == {"RoutesFile", *(name for name in SCHEMA["$defs"] if "properties" in model(name))}
    for name, section in MODELS.items():
        assert set(keys_of(section)) == set(model(name)["properties"]), name


@pytest.mark.parametrize("name", MODELS)
def test_the_schema_marks_secrets_and_allows_secret_files(name: str) -> None:
    for secret in secrets_of(MODELS[name]):
        assert "#/$defs/Secret" in str(model(name)["properties"][secret.key]), secret.key
        assert secret.many or f"{secret.key}_file" in keys_of(MODELS[name]), secret.key


def test_every_section_of_the_page_is_known() -> None:
    assert {row.section for row in ROWS} == set(SECTIONS)


def test_every_key_is_documented() -> None:
    every = {(name, key) for name in ("RoutesFile", *SCHEMA["$defs"]) for key in model(name).get("properties", {})}
    assert every - documented() - IN_WORDS == set()
    assert all(f"{key}:" in PAGE for _, key in IN_WORDS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section} {' '.join(row.keys)}")
def test_the_documented_default_is_that_of_the_model(row: Row) -> None:
    for key in row.keys:
        for name in SECTIONS[row.section]:
            owner, last = found(name, key)
            required = last in model(owner).get("required", ())
            node = model(owner)["properties"][last]
            if owner != "ChannelStorm":
                assert required == (row.default == "required"), f"{key} of {owner}"
            if re.fullmatch(r"`[^`]+`", row.default) and "default" in node:
                assert row.default == f"`{shown(node['default'])}`", f"{key} of {owner}"


def shown(default: Any) -> str:
    """As YAML in one line."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, list):
        return f"[{', '.join(map(shown, default))}]"
    if isinstance(default, dict):
        return "{" + ", ".join(f"{key}: {shown(value)}" for key, value in default.items()) + "}"
    return {8 * 2**20: "8MiB", 32 * 2**20: "32MiB"}.get(default, str(default))


def test_the_page_names_every_rule_of_a_cause() -> None:
    code = "".join(path.read_text() for path in CAUSES.glob("*.py"))
    rules = set(re.findall(r'claim\("([a-z_]+)"', code)) | {"overload", "traffic_surge"}
    paragraph = PAGE.partition("`bridge/core/context/causes/`")[2].partition("A cause is *likely*")[0]
    assert set(re.findall(r"`([a-z_]+)`", paragraph)) == rules
