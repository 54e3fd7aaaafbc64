"""The pages about messages and templates say what is true."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.core.ports import AlertLine
from bridge.rendering.context_file import context_of
from bridge.rendering.context_view import ChangeLine, FactLine
from bridge.rendering.links import Addresses
from bridge.rendering.renderer import check_templates, template_view
from bridge.rendering.sample import sample_claim, sample_context, sample_incident
from bridge.rendering.view import fields_of

DOCS = Path(__file__).parents[2] / "docs"
MESSAGES, TEMPLATES = ((DOCS / name).read_text() for name in ("messages.md", "templates.md"))


def test_every_variable_of_a_template_is_documented() -> None:
    incident = sample_incident(resolved=False)
    shown = fields_of(incident, sample_claim(firing=True), (), Addresses())
    view = template_view({**shown, "context": sample_context()})
    documented = set(re.findall(r"`(\w+)(?:\([^`]*?\))?`", TEMPLATES))
    assert sorted(set(view) - documented) == []


@pytest.mark.parametrize("kind", [FactLine, ChangeLine, AlertLine])
def test_every_field_of_what_a_template_walks_over_is_documented(kind: type) -> None:
    names = {field.name for field in dataclasses.fields(kind)}
    assert sorted(names - set(re.findall(r"`(\w+)`", TEMPLATES))) == []


def test_the_example_of_a_template_works(tmp_path: Path) -> None:
    (example,) = re.findall(r"```jinja\n(.*?)```", TEMPLATES, re.DOTALL)
    (tmp_path / "email").mkdir()
    (tmp_path / "email" / "summary.txt").write_text(example)
    assert list(check_templates(tmp_path)) == []


def test_the_example_of_a_context_can_be_read() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", MESSAGES, re.DOTALL)
    context = context_of(example, datetime(2026, 11, 23, tzinfo=UTC))
    assert (len(context.facts), len(context.unknown), len(context.changes)) == (3, 1, 1)


def test_every_picture_is_there_and_small() -> None:
    pictures = [DOCS / name for name in re.findall(r"\]\((images/message-[^)]+)\)", MESSAGES)]
    assert pictures
    assert [file.name for file in pictures if not 0 < file.stat().st_size < 200_000] == []
