"""The page says what the code does."""

from __future__ import annotations

import dataclasses
import re

import pytest

from bert_api.drills import KINDS
from bert_api.service import settings
from bert_api.service.changes import Change
from bert_api.traffic.scenarios import NAMES
from tests.bert_api.service.api_process import ROOT

PAGE = (ROOT / "docs" / "bert-api.md").read_text(encoding="utf-8")


def test_every_setting_is_documented_and_no_other() -> None:
    source = (ROOT / "bert_api" / "service" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'read\("([A-Z_]+)"', source))
    assert read == set(re.findall(r"^\| `((?:BERT_API|CHANGE)_[A-Z_]+)`", PAGE, re.MULTILINE))


@pytest.mark.parametrize("name", ["threads", "queue", "inference_threads", "body_bytes", "probe_texts"])
def test_defaults_are_those_of_the_code(name: str) -> None:
    default = {field.name: field.default for field in dataclasses.fields(settings.Settings)}[name]
    assert f"| {default} |" in PAGE


@pytest.mark.parametrize("name", KINDS)
def test_every_drill_is_documented_with_its_usual_value(name: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    kind = KINDS[name]
    assert not kind.value or f"`{kind.value}`, {kind.usual:g} |" in row


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_the_fields_of_a_change_are_documented() -> None:
    for field in dataclasses.fields(Change):
        assert f'"{field.name}"' in PAGE
