"""Which renderings are shared, and whose templates are used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.core.model import Target
from bridge.rendering.renderer import Renderer
from bridge.rendering.sample import sample_claim, sample_context, sample_news
from tests.channels.message_reading import an_incident


def test_the_channels_of_one_incident_share_one_rendering() -> None:
    renderer, incident, context = Renderer(None, None), an_incident(), sample_context()
    to_slack, to_mail = (replace(sample_claim(firing=True), target=Target(name)) for name in ("slack", "mail"))
    first = renderer.message(incident, to_slack, (), context, html=False)
    read_again = replace(incident)
    assert first is renderer.message(read_again, replace(to_slack, target=Target("pagerduty")), (), context, html=False)
    rich = renderer.message(incident, to_mail, (), context, html=True)
    assert rich is renderer.message(incident, to_mail, (), context, html=True)
    assert (first.text, "", True) == (rich.text, first.html, bool(rich.html))


@pytest.mark.parametrize("difference", ["incident", "context", "firing", "news"], ids=lambda name: f"another {name}")
def test_what_differs_is_rendered_anew(difference: str) -> None:
    renderer, incident, context, claim = (
        Renderer(None, None),
        an_incident(),
        sample_context(),
        sample_claim(firing=True),
    )
    first = renderer.message(incident, claim, (), context, html=False)
    other = renderer.message(
        replace(incident, title="Other") if difference == "incident" else incident,
        replace(claim, firing=difference != "firing"),
        sample_news() if difference == "news" else (),
        None if difference == "context" else context,
        html=False,
    )
    assert first.text != other.text


def test_only_so_many_renderings_are_kept() -> None:
    renderer = Renderer(None, None)
    for number in range(1100):
        renderer.message(an_incident(number=number), sample_claim(firing=True), (), html=False)
    assert len(renderer._kept) == 1024


def test_fewer_renderings_are_kept_when_they_are_long(tmp_path: Path) -> None:
    (tmp_path / "body.txt").write_text("{{ 'x' * 50000 }}")
    renderer = Renderer(tmp_path, None)
    for number in range(30):
        renderer.message(an_incident(number=number), sample_claim(firing=True), (), html=False)
    assert len(renderer._kept) == 20


def test_a_channels_own_templates_come_first_then_those_of_its_kind(tmp_path: Path) -> None:
    for folder, text in (("slack-ml", "mine"), ("slack", "slack's"), (".", "all")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "summary.txt").write_text(text)
    renderer = Renderer(tmp_path, None, kinds={"slack-ml": "slack", "slack-infra": "slack", "pager": "pagerduty"})
    said = {
        name: renderer.message(
            an_incident(), replace(sample_claim(firing=True), target=Target(name)), (), html=False
        ).summary
        for name in ("slack-ml", "slack-infra", "pager")
    }
    assert said == {"slack-ml": "mine", "slack-infra": "slack's", "pager": "all"}


def test_what_a_route_names_comes_before_everything(tmp_path: Path) -> None:
    for folder, text in (("ml", "of the route"), ("slack-ml", "mine"), (".", "all")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "summary.txt").write_text(text)
    chosen: list[str | None] = ["ml"]
    kinds = {"slack-ml": "slack", "pager": "pagerduty"}
    renderer = Renderer(tmp_path, None, kinds=kinds, named=["ml"], choose=lambda incident: chosen[0])
    claims = {name: replace(sample_claim(firing=True), target=Target(name)) for name in kinds}
    said = {name: renderer.message(an_incident(), claim, (), html=False).summary for name, claim in claims.items()}
    assert dict.fromkeys(kinds, "of the route") == said
    chosen[0] = None
    said = {name: renderer.message(an_incident(), claim, (), html=False).summary for name, claim in claims.items()}
    assert said == {"slack-ml": "mine", "pager": "all"}
