"""Golden probes: answered as every request, left out of what the alert rules read, and no way to hide traffic."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from bert_api.service.probing import HEADER, ProbeAllowance
from tests.bert_api.service.api_process import Api, running_api
from tests.bert_api.service.exposed_series import SERIES

TOKEN = "a-long-shared-token"
#: what a probe does not touch; the rest are gauges of the process itself, which move by themselves
TRAFFIC = {name for name in SERIES if name.startswith(("ml_", "http_")) and name != "ml_golden_probes"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("token", "header", "admitted"),
    [
        ("", "1", True),
        ("", "", False),
        ("", "yes", False),
        ("", "é", False),
        (TOKEN, TOKEN, True),
        (TOKEN, "1", False),
        (TOKEN, "", False),
        (TOKEN, TOKEN[:-1], False),
    ],
)
def test_the_header_carries_the_token_or_1(token: str, header: str, admitted: bool) -> None:
    assert ProbeAllowance(token, 120).admits(header, 1) is admitted


def test_so_many_texts_a_minute_and_no_more() -> None:
    clock = Clock()
    allowance = ProbeAllowance("", 60, clock)
    assert [allowance.admits("1", 25) for _ in range(3)] == [True, True, False]
    assert allowance.admits("1", 10)
    clock.now = 20.0
    assert [allowance.admits("1", 20), allowance.admits("1", 1)] == [True, False]
    clock.now = 10_000.0
    assert [allowance.admits("1", 60), allowance.admits("1", 1)] == [True, False], "it does not pile up"


def test_an_allowance_of_nothing_admits_nothing() -> None:
    assert not ProbeAllowance("", 0).admits("1", 1)


def ask(api: Api, *texts: str, header: str | None = None) -> requests.Response:
    headers = {} if header is None else {HEADER: header}
    return requests.post(f"{api.url}/predict", json={"texts": texts}, headers=headers, timeout=60)


def traffic(api: Api) -> dict[tuple[str, str], float]:
    """Every sample of TRAFFIC, without those that the scrape and the health checks themselves move."""
    families = [family for family in text_string_to_metric_families(api.scrape()) if family.name in TRAFFIC]
    samples = [sample for family in families for sample in family.samples]
    operational = {"/metrics", "/readyz"}
    seen = [each for each in samples if each.labels.get("handler") not in operational]
    return {(each.name, str(sorted(each.labels.items()))): each.value for each in seen}


def probes(api: Api) -> dict[str, float]:
    families = text_string_to_metric_families(api.scrape())
    samples = [sample for family in families if family.name == "ml_golden_probes" for sample in family.samples]
    return {each.labels["outcome"]: each.value for each in samples}


@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_probe_leaves_every_counter_of_the_traffic_as_it_was(tmp_path: Path, token: str) -> None:
    with running_api(tmp_path, BERT_API_PROBE_TOKEN=token) as api:
        assert ask(api, "a kind word").status_code == 200
        before = traffic(api)
        answer = ask(api, "you idiot", "a kind word", header=token or "1")
        assert [each["label"] for each in answer.json()["predictions"]] == ["toxic", "non_toxic"]
        assert answer.json()["model_version"]
        assert ask(api, "poison", header=token or "1").status_code == 500
        assert traffic(api) == before
        assert probes(api) == {"answered": 1, "failed": 1, "refused": 0}


def test_what_has_no_right_to_the_header_is_counted_as_traffic(tmp_path: Path) -> None:
    with running_api(tmp_path, BERT_API_PROBE_TOKEN=TOKEN) as api:
        before = traffic(api)
        assert ask(api, "you idiot", header="1").status_code == 200
        moved = {name for (name, labels), value in traffic(api).items() if value != before.get((name, labels))}
        assert {"ml_predictions_total", "http_request_duration_seconds_count", "ml_input_tokens_count"} <= moved
        assert probes(api) == {"answered": 0, "failed": 0, "refused": 1}


def test_what_exceeds_the_allowance_is_counted_as_traffic(tmp_path: Path) -> None:
    with running_api(tmp_path, BERT_API_PROBE_TEXTS="2") as api:
        before = traffic(api)
        assert ask(api, *["you idiot"] * 3, header="1").status_code == 200
        assert traffic(api) != before
        assert probes(api) == {"answered": 0, "failed": 0, "refused": 1}


def test_a_refused_question_counts_whatever_its_header_says(tmp_path: Path) -> None:
    with running_api(tmp_path) as api:
        assert ask(api, "", header="1").status_code == 422
        labels = [("handler", "/predict"), ("method", "POST"), ("status", "422")]
        assert traffic(api)["http_request_duration_seconds_count", str(labels)] == 1
