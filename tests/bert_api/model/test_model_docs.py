"""The model's page says what the committed artefact measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bert_api import corpus
from bert_api.model.versions import SHIPPED

PAGE = (Path(__file__).parents[3] / "docs" / "model.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_the_page_gives_each_versions_own_scores(version: str) -> None:
    metrics = json.loads((SHIPPED / version / "model.json").read_text())["metrics"]
    cells = " | ".join(
        f"{metrics[part]['accuracy']:.3f} / {metrics[part]['auc']:.3f}" for part in ("fresh", "held_out")
    )
    assert [line for line in PAGE.splitlines() if line.startswith(f"| {version} ") and f"| {cells} |" in line]


@pytest.mark.parametrize(("part", "title"), [("held_out", "held out"), ("fresh", "fresh")])
def test_the_page_gives_the_served_versions_scores_in_full(part: str, title: str) -> None:
    scores = json.loads((SHIPPED / "1.1.0" / "model.json").read_text())["metrics"][part]
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {title} | "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == f"{scores['sentences']:,}"
    figures = [scores[name] for name in ("accuracy", "auc", "brier", "calibration_error")]
    assert [f"{figure:.3f}" for figure in figures] == [cells[2], cells[3], cells[7], cells[8]]


def test_the_page_counts_the_corpus() -> None:
    sentences = corpus.load()
    toxic = sum(one.toxic for one in sentences)
    assert f"{len(sentences):,} English sentences, {toxic:,} of them toxic" in PAGE
