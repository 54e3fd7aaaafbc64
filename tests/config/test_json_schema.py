"""`bridge schema` for editors: it accepts every file that the bridge accepts, and describes every key."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from bridge.app.settings import json_schema, load_text
from bridge.config.document import read_document

ROOT = Path(__file__).parents[2]
SCHEMA = json_schema()
SHIPPED = ("routes.yaml", "k8s/base/config/routes.yaml", "k8s/components/gke/config/routes.yaml")
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
SMALL: dict[str, Any] = {"channels": {"a": {"type": "slack", "token": "${T}", "channel": "C1"}}, "route": {}}


class Unchanged(Mapping[str, str]):
    """An environment in which each variable has its own name as value, so the document stays as written."""

    def __getitem__(self, name: str) -> str:
        return f"${{{name}}}"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def as_written(text: str) -> Any:
    return read_document(text, Unchanged()).data


def faults(data: Any, schema: dict[str, Any] = SCHEMA) -> list[str]:
    return [f"{error.json_path}: {error.message}"[:300] for error in Draft202012Validator(schema).iter_errors(data)]


def keys() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, section in {**SCHEMA["$defs"], "": SCHEMA}.items():
        yield from ((f"{name}.{key}", node) for key, node in section.get("properties", {}).items())


KEYS = dict(keys())


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_key_has_its_own_description() -> None:
    assert len(KEYS) >= 171
    assert [key for key, node in KEYS.items() if len(node.get("description", "")) < 10] == []


@pytest.mark.parametrize("file", SHIPPED)
def test_a_shipped_file_is_valid(file: str) -> None:
    assert faults(as_written((ROOT / file).read_text())) == []


def test_the_commented_examples_of_the_shipped_file_are_valid(tmp_path: Path) -> None:
    words = "mention|username|password|escalate|mute_time_intervals|time_intervals|location|web|users|ping|templates"
    shown = rf"^( *)# (( *)(?:(?:{words}):|- name: nights|- times:).*)$"
    text, count = re.subn(shown, r"\1\2", (ROOT / "routes.yaml").read_text(), flags=re.MULTILINE)
    assert count >= 14
    assert faults(as_written(text)) == []
    (tmp_path / "my-templates").mkdir()
    secrets = dict.fromkeys(
        ("PAGERDUTY_ROUTING_KEY", "SLACK_BOT_TOKEN", "ALERTMANAGER_TOKEN", "SMTP_PASSWORD"), "a" * 32
    )
    environ = {**secrets, "HEALTHCHECKS_URL": "https://hc.example/x", "ALICE_PASSWORD_HASH": "scrypt:1:1:1$ab$00"}
    assert load_text(text, environ, folder=tmp_path).ping is not None


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Blocks of the pages that are parts of a routes.yaml, by what is in them."""
    for page in PAGES:
        for match in re.finditer(r"^( *)```yaml\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL):
            data = as_written(textwrap.dedent(match[2]))
            if isinstance(data, dict) and set(data) <= set(SCHEMA["properties"]):
                line = page.read_text()[: match.start()].count("\n") + 1
                yield f"{page.relative_to(ROOT)}:{line}", data


EXAMPLES = dict(examples())


def test_the_pages_have_examples() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("place", EXAMPLES)
def test_an_example_of_the_documentation_is_valid(place: str) -> None:
    part = {**SCHEMA, "required": []}
    assert faults(EXAMPLES[place], part) == []


@pytest.mark.parametrize("key", KEYS)
def test_a_variable_is_allowed_for_any_single_value(key: str) -> None:
    node = {"$defs": SCHEMA["$defs"], **KEYS[key]}
    takes = [word for word in (True, 1, 0.5, "", "${A}", None) if not faults(word, node)]
    if takes and "${A}" not in takes:
        assert takes in ([None], []), f"{key} takes {takes}"
    secret = "Secret" in str(KEYS[key])
    if "${A}" in takes and not secret:
        assert not faults("${A:-b}", node)


@pytest.mark.parametrize("key", [key for key, node in KEYS.items() if "default" in node])
def test_a_default_is_shown_in_the_syntax_of_the_file(key: str) -> None:
    node = KEYS[key]
    assert faults(node["default"], {"$defs": SCHEMA["$defs"], **node}) == []
    assert not re.fullmatch(r"P\S*\d\S*", str(node["default"])), "a duration of ISO 8601 is none of ours"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"retensions": "90d"}, "retensions"),
        ({"channels": {"a": {"type": "slack", "token": "xoxb-in-the-file", "channel": "C1"}}}, "not valid"),
        ({"channels": {"a": {"type": "pager"}}}, "not valid"),
        ({"route": {"continue": "perhaps"}}, "not valid"),
        ({"route": {"notify": "slack-ml"}}, "not valid"),
        ({"storm": {"at_least": 1}}, "not valid"),
        ({"incidents": {"flapping": {"turns": 101}}}, "not valid"),
        ({"limits": {"overdue": 5}}, "5 is greater"),
    ],
)
def test_the_schema_refuses_a_file_that_the_bridge_refuses(change: dict[str, Any], message: str) -> None:
    assert faults(SMALL) == []
    (fault, *_) = faults({**SMALL, **change})
    assert message in fault


@pytest.mark.parametrize(
    "change",
    [
        {"route": {"continue": "${C:-false}"}},
        {"storm": {"at_least": "${N}", "enabled": "${E:-true}"}},
        {"incidents": {"acknowledge_for": 0, "severity_aliases": {"sev1": "${S}"}}},
        {"limits": {"body": 1048576}},
        {"channels": {"a": {"type": "${TYPE}", "smarthost": "${H}", "from": "${F}", "to": ["${T}"], "tls": "${TLS}"}}},
        {"context": {"prometheus": {"url": "${P}"}, "questions": [
            {"name": "${N}", "title": "T", "unit": "${U}", "expr": "up", "bad_above": "${B}", "role": "${R:-}"}]}},
    ],
)  # fmt: skip
def test_the_schema_accepts_variables_for_any_type(change: dict[str, Any]) -> None:
    assert faults({**SMALL, **change}) == []


def test_the_schema_accepts_the_file_as_other_yaml_parsers_read_it() -> None:
    """PyYAML's own parser, which does not know variables."""
    assert faults(yaml.safe_load((ROOT / "routes.yaml").read_text())) == []
