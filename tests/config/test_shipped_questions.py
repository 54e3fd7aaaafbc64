"""The questions that routes.yaml ships are PromQL, for every shape of labels that an incident can have."""

from __future__ import annotations

from pathlib import Path

import promql_parser
import pytest

from bridge.app.settings import load
from bridge.config.context import ContextSettings
from bridge.core.context.questions import ROLES, SYMPTOMS, Question, expression

ROOT = Path(__file__).parents[2]
ENVIRON = dict.fromkeys(("PAGERDUTY_ROUTING_KEY", "SLACK_BOT_TOKEN", "ALERTMANAGER_TOKEN"), "x" * 32)


def shipped() -> ContextSettings:
    context = load(ROOT / "routes.yaml", ENVIRON).context
    assert context is not None
    return context


CONTEXT = shipped()


@pytest.mark.parametrize("question", CONTEXT.questions, ids=lambda question: question.name)
@pytest.mark.parametrize("labels", [{}, {"job": "api"}, {"namespace": "ml", "job": "api"}], ids=len)
def test_a_shipped_question_is_valid_promql_for_any_labels(question: Question, labels: dict[str, str]) -> None:
    for text in filter(None, (question.expr, question.usual, question.of)):
        asked = expression(text, {"alertname": "X", **labels}, CONTEXT.labels)
        assert asked is not None
        promql_parser.parse(asked)


SHARED = ("peak", *SYMPTOMS, "inputs", "")


def test_no_role_is_used_twice() -> None:
    """Except roles for which each cause has its own question."""
    roles = [question.role for question in CONTEXT.questions if question.role not in SHARED]
    assert sorted(roles) == sorted(set(roles))
    assert {question.role for question in CONTEXT.questions} <= set(ROLES)
