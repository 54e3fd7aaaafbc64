"""The committed model behind the real server: its answers, and a whole life of it while callers ask."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.bert_api.service.api_fakes import wait_until
from tests.bert_api.service.api_process import REAL, Api, running_api
from tests.bert_api.service.api_receiver import Receiver

pytest.importorskip("sklearn", reason="retraining needs bert_api/requirements-train.txt")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running_api(tmp_path_factory.mktemp("real"), REAL) as running:
        yield running


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("You are a worthless idiot and everybody hates you.", "toxic"),
        ("Thank you for your help, that was very kind.", "non_toxic"),
        ("Please kill the process and start the server again.", "non_toxic"),
    ],
)
def test_users_would_agree(api: Api, text: str, label: str) -> None:
    assert api.predict(text).json()["label"] == label


@pytest.mark.parametrize(
    "text", ["\ud800 half a pair", "a\0b", "\N{GRINNING FACE}", "ё", "word " * 1999, "\u202eright to left"]
)
def test_odd_texts_are_classified(api: Api, text: str) -> None:
    answer = api.predict(text)
    assert (answer.status_code, answer.json()["truncated"]) == (200, len(text) > 5000)


class Askers:
    """A few callers who ask now and then, as long as the block lasts; each keeps a connection."""

    def __init__(self, api: Api) -> None:
        self._api, self._stop = api, threading.Event()
        self.answers: list[tuple[int, str]] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(3)]

    def _ask(self) -> None:
        with requests.Session() as session:
            while not self._stop.wait(0.05):
                answer = session.post(f"{self._api.url}/predict", json={"text": "What a lovely day."}, timeout=100)
                self.answers.append((answer.status_code, answer.json().get("model_version", "")))

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.timeout(900)  # it really trains
def test_retrain_deploy_and_rollback_lose_no_request(api: Api, tmp_path: Path, receiver: Receiver) -> None:
    feedback = tmp_path / "feedback.csv"
    feedback.write_text("text,label\nYou are a walking spreadsheet of bad ideas.,toxic\nWhat a lovely day.,non_toxic\n")
    before = api.ready_version()
    api.environment["CHANGE_WEBHOOK_URL"] = receiver.url
    with Askers(api) as askers:
        done = api.command("retrain", "--trigger", "manual", "--data", str(feedback), "--force")
        assert done.returncode == 0, done.stderr
        new = done.stdout.split("Version ")[1].split(" ")[0]
        wait_until(lambda: 'ml_retraining_runs_total{status="succeeded",trigger="manual"} 1.0' in api.scrape())
        assert api.ready_version() == before
        api.command("deploy", new)
        wait_until(lambda: askers.answers[-1] == (200, new))
        assert described(api) == {new}
        api.command("rollback")
        wait_until(lambda: askers.answers[-1] == (200, before))
        assert described(api) == {before}
    assert {status for status, _ in askers.answers} == {200}
    assert {version for _, version in askers.answers} == {before, new}
    posted = [(each["kind"], each["version"], each["previous"]) for each in receiver.bodies]
    assert posted == [("retraining", before, None), ("deploy", new, before), ("rollback", before, new)]


def described(api: Api) -> set[str]:
    """The versions that ml_model_info, the loaded timestamp and the baseline speak of: it should be one."""
    lines = [
        line
        for line in api.scrape().splitlines()
        if line.startswith(("ml_model_info{", "ml_model_loaded", "ml_confidence_b"))
    ]
    return {line.split('version="')[1].split('"')[0] for line in lines}
