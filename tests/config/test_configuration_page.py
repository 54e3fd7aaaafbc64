"""docs/configuration.md has every key of the models, each with its default, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.config import json_schema

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
SCHEMA = json_schema()
#: heading -> the models that the tables below it are about; a key of several must be in all of them
SECTIONS = {
    "Top level": ["RoutesFile"],
    "sources[]": ["Source"],
    "reconcile": ["Reconcile"],
    "basic_auth": ["BasicAuth"],
    "channels: what all have": ["PagerDutyChannel", "SlackChannel", "EmailChannel"],
    "pagerduty": ["PagerDutyChannel"],
    "slack": ["SlackChannel"],
    "email": ["EmailChannel"],
    "route": ["RouteNode"],
    "escalate[]": ["EscalationStep"],
    "time_intervals[]": ["TimeIntervalEntry"],
    "time_intervals[].time_intervals[]": ["Interval"],
    "incidents": ["Incidents"],
    "web, limits, log": ["RoutesFile"],
    "Context": ["Context"],
    "context.prometheus": ["PrometheusServer"],
    "context.questions[]": ["QuestionEntry"],
    "context.distributions[]": ["DistributionEntry"],
    "context.changes[]": ["ChangeRuleEntry"],
    "Heartbeats": ["Heartbeat"],
    "Ping": ["Ping"],
    "storm": ["Storm", "ChannelStorm"],
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


def test_every_section_is_there() -> None:
    assert set(SECTIONS) == {row.section for row in ROWS}


def test_every_key_is_documented() -> None:
    every = {(name, key) for name in ("RoutesFile", *SCHEMA["$defs"]) for key in model(name).get("properties", {})}
    assert set() == every - documented() - IN_WORDS
    assert all(f"{key}:" in PAGE for _, key in IN_WORDS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section} {' '.join(row.keys)}")
def test_a_default_is_that_of_the_model(row: Row) -> None:
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
