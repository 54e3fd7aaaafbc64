"""A team with another model writes its own questions: the example of docs/configuration.md, until it is a message."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
import yaml

from bridge.app.settings import load
from bridge.clients.context_gathering import Gatherer, QueryLimits
from bridge.config import Settings
from bridge.core.context.enrichment import Answer, HistoryAnswer, Query, Sample
from bridge.core.context.series import RangeQuery
from bridge.core.facts import ChangeEvent, Context
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Incident
from bridge.rendering.renderer import Renderer
from bridge.rendering.sample import sample_claim
from tests.builders import a_group, an_alert, at
from tests.end_to_end.machines import ROOT

PAGE = (ROOT / "docs" / "configuration.md").read_text()
REST = """
channels: {slack-ml: {type: slack, token: "${SLACK_BOT_TOKEN}", channel: C0123456789}}
route: {notify: [slack-ml]}
"""


class Source:
    name = "Prometheus"

    async def query(self, query: Query, timeout_seconds: float) -> Answer:
        if "rec_errors_total" in query.expr:
            return (Sample({"version": "r8"}, 4.5, at(0)), Sample({"version": "r7"}, 0.5, at(0)))
        return (Sample({}, 0.02 if "avg1d" in query.expr or query.ago else 0.31, at(0)),)

    async def query_range(self, query: RangeQuery, timeout_seconds: float) -> HistoryAnswer:
        return ()

    async def close(self) -> None:
        return None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    example, over_time = [
        each for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "rec_served_total" in each
    ]
    assert yaml.safe_load(example)["context"]["questions"]
    example += over_time  # a question that is one more of its list
    file = tmp_path / "routes.yaml"
    file.write_text(example + REST)
    return load(file, {"SLACK_BOT_TOKEN": "xoxb-1"})


def an_incident() -> Incident:
    change = receive(None, a_group(an_alert(job="rec", service="recommender")), at(1), Rules(), "u")
    assert change is not None
    return change.incident


def context_of(settings: Settings) -> Context:
    assert settings.context is not None
    questions, labels = settings.context.questions, settings.context.labels
    deploy = ChangeEvent("deploy", "recommender", at(-360), "r8 was deployed", version="r8")

    async def ask() -> Context:
        gatherer = Gatherer(Source(), questions, labels, QueryLimits(), lambda: at(30))
        try:
            return await gatherer.gather(an_incident(), [deploy])
        finally:
            await gatherer.close()

    return asyncio.run(ask())


def test_its_facts_and_the_conclusion_are_in_the_message(settings: Settings) -> None:
    renderer = Renderer(None, "https://bridge.example")
    text = renderer.message(an_incident(), sample_claim(firing=True), (), context_of(settings), html=False).text
    said = ("Recommendations without a result", "31 %", "16 x what is usual", "r8 was deployed", "90 % of the errors")
    assert [each for each in said if each not in text] == []


def test_the_code_knows_no_model() -> None:
    words = re.compile(r"toxic|bert|\bml_|drift_score", re.IGNORECASE)
    files = [*(ROOT / "bridge" / "core").rglob("*.py"), *(ROOT / "bridge" / "clients").glob("*.py")]
    files += [*(ROOT / "bridge" / "worker").glob("*.py"), *(ROOT / "bridge" / "rendering").glob("*.py")]
    code = {file.name: re.sub(r'""".*?"""|#[^\n]*', "", file.read_text(), flags=re.DOTALL) for file in files}
    told = {name: words.findall(text) for name, text in code.items() if name != "sample.py"}
    assert {name: found for name, found in told.items() if found} == {}
