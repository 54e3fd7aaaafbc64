"""The traffic: what each scenario says, at which pace, within which bounds."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from bert_api import corpus
from bert_api.metrics import LANGUAGES
from bert_api.model.classifier import load
from bert_api.model.versions import SHIPPED
from bert_api.service.questions import read
from bert_api.traffic.scenarios import BATCH_TEXTS, NAMES, PHASE_SECONDS, SCENARIOS, mix_at, request_body
from bert_api.traffic.sending import Connection, Tally, Traffic
from bert_api.traffic.sentences import Sentences, from_corpus
from tests.bert_api.service.api_fakes import write_version
from tests.bert_api.service.api_process import ROOT, running_api


@pytest.fixture(scope="module")
def sentences() -> Sentences:
    return from_corpus()


def texts_of(scenario: str, sentences: Sentences, count: int = 400) -> list[str]:
    chance = random.Random(7)
    bodies = [request_body(SCENARIOS[scenario], sentences, chance) for _ in range(count)]
    return [text for body in bodies for text in body.get("texts", [body.get("text")])]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_request_is_one_that_the_api_takes(scenario: str, sentences: Sentences) -> None:
    chance = random.Random(7)
    for _ in range(300):
        question = read(json.dumps(request_body(SCENARIOS[scenario], sentences, chance)).encode())
        assert len(question.texts) in (1, BATCH_TEXTS)


def test_there_is_a_variety_of_sentences(sentences: Sentences) -> None:
    assert min(len(set(sentences.ordinary)), len(set(sentences.rude))) > 200
    assert len(set(sentences.strange)) == len(sentences.strange) > 50
    assert {language for language, _ in sentences.strange} - set(LANGUAGES) == {"xx"}


def test_nothing_that_is_sent_was_trained_on(sentences: Sentences) -> None:
    trained_on = {sentence.text for sentence in corpus.load() if not sentence.held_out}
    assert not trained_on & {*sentences.ordinary, *sentences.rude, *(text for _, text in sentences.strange)}


def test_a_wave_is_mostly_rude_and_drift_mostly_strange(sentences: Sentences) -> None:
    rude, strange = set(sentences.rude), {text for _, text in sentences.strange}
    shares = {
        name: (sum(text in rude for text in texts) / len(texts), sum(text in strange for text in texts) / len(texts))
        for name, texts in ((name, texts_of(name, sentences)) for name in SCENARIOS)
    }
    assert shares["normal"][0] < 0.28 and shares["surge"][0] < 0.28
    assert shares["toxic-wave"][0] > 0.5
    assert shares["drift"][1] > 0.9


def test_drift_lowers_the_shipped_models_confidence_as_far_as_its_alerts_expect(sentences: Sentences) -> None:
    """MLConfidenceMeanLow fires at a mean below 0.65, MLRetrainingRequired for 80 % up to 0.6."""
    model = load(max(SHIPPED.iterdir()))
    drifted = [each.confidence for each in model.predict(texts_of("drift", sentences, 200))]
    normal = [each.confidence for each in model.predict(texts_of("normal", sentences, 200))]
    assert sum(drifted) / len(drifted) < 0.65 < 0.8 < sum(normal) / len(normal)
    assert sum(confidence <= 0.6 for confidence in drifted) / len(drifted) > 0.8


def test_mixed_goes_through_the_others_and_begins_again() -> None:
    phases = list(SCENARIOS.values())
    seen = [mix_at("mixed", number * PHASE_SECONDS + 1) for number in range(5)]
    assert seen == [*phases, phases[0]]


def test_a_surge_is_more_than_ten_times_as_fast() -> None:
    assert SCENARIOS["surge"].pace > 10 * SCENARIOS["normal"].pace


def test_the_p95_is_that_of_the_latest_answers() -> None:
    tally = Tally()
    assert tally.p95() == 0
    for milliseconds in range(1, 101):
        tally.note(milliseconds / 1000, ["toxic"])
    assert tally.p95() == pytest.approx(0.096)


def test_a_server_that_does_not_listen_is_a_failed_request() -> None:
    assert Connection("http://127.0.0.1:1").predict({"text": "a"}) is None


def test_it_ends_after_its_duration_and_asks_every_replica(tmp_path: Path) -> None:
    write_version(tmp_path / "versions", "1.0.0")
    (tmp_path / "two").mkdir()
    models = {"BERT_API_MODELS": str(tmp_path / "versions")}
    with running_api(tmp_path, **models) as one, running_api(tmp_path / "two", **models) as two:
        traffic = Traffic([one.url, two.url], "normal", rate=100, duration=0.5, chance=random.Random(7))
        traffic.run()
        counts = [
            api.scrape().count('handler="/predict",le="+Inf",method="POST",status="200"} 25') for api in (one, two)
        ]
    tally = traffic.tally
    assert (tally.sent, tally.answered, tally.failed, tally.held_back) == (50, 50, 0, 0)
    assert counts == [1, 1]


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    write_version(tmp_path / "versions", "1.0.0")
    with running_api(tmp_path, BERT_API_MODELS=str(tmp_path / "versions")) as api:
        command = [sys.executable, "-m", "bert_api.traffic", "--rate", "50", "--duration", "0.2", "--url", api.url]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0
    assert "Done: 10 sent" in done.stdout and "10 answered, 0 failed" in done.stdout


@pytest.mark.parametrize("words", [["--rate", "501"], ["--rate", "0"], ["--scenario", "flood"], ["--duration", "-1"]])
def test_it_stays_within_its_bounds(words: list[str]) -> None:
    command = [sys.executable, "-m", "bert_api.traffic", *words]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=600)
    assert (done.returncode, "Invalid value" in done.stderr) == (2, True)


def test_the_scenarios_are_those_that_are_documented() -> None:
    assert NAMES == ("normal", "toxic-wave", "drift", "surge", "mixed")
