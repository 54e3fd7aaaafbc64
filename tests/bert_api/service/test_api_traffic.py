"""The traffic: what each scenario says, at which pace, within which bounds."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from api_fakes import write_version
from api_process import ROOT, running_api

from bert_api.metrics import LANGUAGES
from bert_api.service.questions import read
from bert_api.traffic.scenarios import BATCH_TEXTS, NAMES, PHASE_SECONDS, SCENARIOS, mix_at, request_body
from bert_api.traffic.sending import Connection, Tally, Traffic
from bert_api.traffic.sentences import LONG, ORDINARY, RUDE, STRANGE


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_request_is_one_that_the_api_takes(scenario: str) -> None:
    chance = random.Random(7)
    for _ in range(300):
        question = read(json.dumps(request_body(SCENARIOS[scenario], chance)).encode())
        assert len(question.texts) in (1, BATCH_TEXTS)


def test_no_sentence_is_said_twice_in_the_lists() -> None:
    texts = [*ORDINARY, *LONG, *RUDE, *(text for _, text in STRANGE)]
    assert len(texts) == len(set(texts))
    assert {language for language, _ in STRANGE} - set(LANGUAGES) == {"xx"}


def test_a_wave_is_mostly_rude_and_drift_mostly_strange() -> None:
    chance, rude, strange = random.Random(7), " ".join(RUDE).lower(), " ".join(text for _, text in STRANGE)
    wave = [request_body(SCENARIOS["toxic-wave"], chance).get("text", "") for _ in range(300)]
    drift = [request_body(SCENARIOS["drift"], chance).get("text", "") for _ in range(300)]
    assert sum(text[:20].lower() in rude for text in wave if text) > 150
    assert sum(text in strange for text in drift if text) > 200


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


def test_nobody_listening_is_a_failed_request() -> None:
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
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "Done: 10 sent" in done.stdout and "10 answered, 0 failed" in done.stdout


@pytest.mark.parametrize("words", [["--rate", "501"], ["--rate", "0"], ["--scenario", "flood"], ["--duration", "-1"]])
def test_it_stays_within_its_bounds(words: list[str]) -> None:
    command = [sys.executable, "-m", "bert_api.traffic", *words]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "Invalid value" in done.stderr) == (2, True)


def test_the_scenarios_are_those_that_are_documented() -> None:
    assert NAMES == ("normal", "toxic-wave", "drift", "surge", "mixed")
