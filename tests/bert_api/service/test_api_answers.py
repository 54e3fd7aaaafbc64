"""What the routes answer, status by status, each error with what was seen and what to do."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bert_api.drills import Drills
from bert_api.metrics import ERROR_TYPES
from bert_api.service.app import Service, create_app
from bert_api.service.inference import Limits
from tests.answers import body_of
from tests.bert_api.service.api_fakes import FakeClassifier, service_with, wait_until


def predict(client: FlaskClient, **body: Any) -> TestResponse:
    return client.post("/predict", json=body)


def errors_counted(service: Service) -> dict[str, float]:
    """Of all versions."""
    samples = [each for family in service.metrics.errors.collect() for each in family.samples]
    return {kind: sum(each.value for each in samples if each.labels["error_type"] == kind) for kind in ERROR_TYPES}


def assert_teaches(answer: TestResponse, status: int, code: str) -> None:
    assert (answer.status_code, body_of(answer)["error"]) == (status, code)
    assert body_of(answer)["message"] and body_of(answer)["hint"]


def test_one_text_gets_one_answer(client: FlaskClient) -> None:
    answer = body_of(predict(client, text="you idiot"))
    assert answer.pop("latency_ms") > 0
    assert answer == {
        "label": "toxic",
        "probability": 0.97,
        "confidence": 0.97,
        "confidence_level": "high",
        "tokens": 4,
        "truncated": False,
        "model_version": "1.0.0",
    }


def test_several_texts_get_their_answers_in_order(client: FlaskClient) -> None:
    answer = body_of(predict(client, texts=["a kind word", "you scum", "hm"]))
    assert [each["label"] for each in answer["predictions"]] == ["non_toxic", "toxic", "non_toxic"]
    assert [each["confidence_level"] for each in answer["predictions"]] == ["high", "high", "medium"]


def test_confidence_is_that_of_the_label_it_gives(client: FlaskClient) -> None:
    answer = body_of(predict(client, text="a kind word"))
    assert (answer["probability"], answer["confidence"]) == (0.03, 0.97)


def test_what_was_cut_off_is_said(client: FlaskClient) -> None:
    assert body_of(predict(client, text="word " * 50))["truncated"] is True


def test_the_model_describes_itself(client: FlaskClient) -> None:
    described = body_of(client.get("/model"))
    assert (described["name"], described["version"], described["max_tokens"]) == ("fake", "1.0.0", 16)
    assert described["loaded_at"] == "2023-11-14T22:13:20+00:00"
    assert described["baseline"][-1] == [1.0, 1.0]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\xfd", b"[" * 60_000, b"9" * 5000, b'{"text": "a" "b"}'])
def test_what_is_not_json_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/predict", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert "Send {" in body_of(answer)["hint"]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(client: FlaskClient, content_type: str | None) -> None:
    answer = client.post("/predict", data=b'{"text": "a"}', content_type=content_type)
    assert_teaches(answer, 415, "not_json_type")


def test_a_compressed_body_is_refused_by_that_name(client: FlaskClient) -> None:
    for encoding, status in (("gzip", 415), ("identity", 200)):
        answer = client.post("/predict", json={"text": "a b"}, headers={"Content-Encoding": encoding})
        assert answer.status_code == status
    answer = client.post(
        "/predict", data=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}, content_type="application/json"
    )
    assert_teaches(answer, 415, "encoded")


def test_a_body_that_is_too_long_is_refused_with_the_limit(client: FlaskClient) -> None:
    answer = predict(client, text="a" * 70_000)
    assert_teaches(answer, 413, "too_large")
    assert "65536" in body_of(answer)["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "not_an_object"),
        ("text", "not_an_object"),
        ({}, "text_or_texts"),
        ({"text": "a", "texts": ["a"]}, "text_or_texts"),
        ({"txet": "a"}, "unknown_field"),
        ({"text": 7}, "wrong_type"),
        ({"text": None}, "wrong_type"),
        ({"text": " \n\t"}, "empty"),
        ({"text": "\0"}, "empty"),
        ({"text": "a" * 10_001}, "too_long"),
        ({"texts": "a"}, "wrong_type"),
        ({"texts": []}, "batch_size"),
        ({"texts": ["a"] * 33}, "batch_size"),
        ({"texts": ["a", 1]}, "wrong_type"),
        ({"texts": ["a", ""]}, "empty"),
        ({"text": "a", "language": 1}, "wrong_type"),
    ],
    ids=str,
)
def test_json_that_is_no_question_is_refused(client: FlaskClient, body: object, code: str) -> None:
    assert_teaches(client.post("/predict", json=body), 422, code)


def test_a_wrong_entry_is_named_by_its_place(client: FlaskClient) -> None:
    assert "texts[1] is a boolean" in body_of(predict(client, texts=["a", True]))["message"]


def test_a_refusal_never_repeats_the_text(client: FlaskClient) -> None:
    answers = [predict(client, text="s3cret" * 2000), predict(client, s3cret="a"), predict(client, texts="s3cret")]
    assert not [answer for answer in answers if "s3cret" in answer.text]


def test_a_callers_mistake_is_no_error_of_the_model(client: FlaskClient, service: Service) -> None:
    for body in ({}, {"text": ""}, {"texts": [1]}):
        client.post("/predict", json=body)
    client.post("/predict", data=b"{", content_type="application/json")
    assert set(errors_counted(service).values()) == {0.0}


def test_unknown_paths_and_methods_are_explained(client: FlaskClient) -> None:
    assert_teaches(client.get("/predictions"), 404, "not_found")
    answer = client.get("/predict")
    assert_teaches(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_without_a_model_it_is_alive_but_not_ready() -> None:
    service = service_with(None)
    client = create_app(service).test_client()
    answer = predict(client, text="a")
    assert_teaches(answer, 503, "no_model")
    assert int(answer.headers["Retry-After"]) > 0
    assert_teaches(client.get("/model"), 503, "no_model")
    assert [client.get("/healthz").status_code, client.get("/readyz").status_code] == [200, 503]
    service.inference.close()


def test_a_process_that_ends_is_not_ready_but_still_answers(client: FlaskClient, service: Service) -> None:
    assert client.get("/readyz").status_code == 200
    service.draining.set()
    answer = client.get("/readyz")
    assert (answer.status_code, body_of(answer)["ready"]) == (503, False)
    assert predict(client, text="a last question").status_code == 200


def test_a_full_queue_is_refused_at_once_and_says_when_to_retry(classifier: FakeClassifier) -> None:
    service = service_with(classifier, Limits(queue=1, threads=1, timeout_seconds=20))
    app = create_app(service)
    classifier.open.clear()
    asking = threading.Thread(target=lambda: predict(app.test_client(), text="in the slot"))
    asking.start()
    wait_until(lambda: classifier.calls)
    waiting = threading.Thread(target=lambda: predict(app.test_client(), text="in the queue"))
    waiting.start()
    wait_until(lambda: service.inference.waiting)
    answer = predict(app.test_client(), text="one too many")
    classifier.open.set()
    asking.join()
    waiting.join()
    assert_teaches(answer, 503, "queue_full")
    assert answer.headers["Retry-After"] == "1"
    assert set(errors_counted(service).values()) == {0.0}
    service.inference.close()


def test_no_answer_in_time_is_a_timeout_and_counts(classifier: FakeClassifier) -> None:
    service = service_with(classifier, Limits(timeout_seconds=0.05))
    classifier.open.clear()
    answer = predict(create_app(service).test_client(), text="a b")
    classifier.open.set()
    assert_teaches(answer, 504, "timeout")
    assert errors_counted(service)["timeout"] == 1
    service.inference.close()


def test_a_broken_prediction_is_our_fault_and_counts_each_text(client: FlaskClient, service: Service) -> None:
    answer = predict(client, texts=["a", "poison b"])
    assert_teaches(answer, 500, "prediction_failed")
    assert errors_counted(service)["prediction_failed"] == 2
    assert "poison" not in answer.text


def test_a_fault_of_the_code_is_answered_without_details(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(texts: object) -> None:
        raise RuntimeError("inner secret")

    monkeypatch.setattr(service.inference, "ask", broken)
    answer = predict(create_app(service).test_client(), text="a")
    assert_teaches(answer, 500, "our_fault")
    assert "inner secret" not in answer.text
    assert [record.message for record in caplog.records] == ["a request failed"]


def test_answers_are_json_that_no_cache_keeps(client: FlaskClient) -> None:
    for answer in (predict(client, text="a b"), client.get("/nowhere"), client.get("/readyz")):
        assert json.loads(answer.data)
        assert answer.headers["Cache-Control"] == "no-store"


def test_drills_are_not_there_unless_they_are_allowed(client: FlaskClient) -> None:
    for answer in (client.get("/drills"), client.post("/drills/slow"), client.delete("/drills/slow")):
        assert_teaches(answer, 404, "not_found")


def test_drills_are_there_when_they_are_allowed(classifier: FakeClassifier) -> None:
    service = service_with(classifier, drills=Drills())
    client = create_app(service).test_client()
    assert client.post("/drills/failing", json={"share": 1, "for_seconds": 60}).status_code == 200
    assert predict(client, text="a b").status_code == 500
    shown = {each["name"]: each for each in body_of(client.get("/drills"))["drills"]}
    assert (shown["failing"]["active"], shown["slow"]["active"]) == (True, False)
    assert client.delete("/drills/failing").status_code == 200
    assert predict(client, text="a b").status_code == 200
    service.inference.close()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/drills/nothing", {}, 404),
        ("/drills/slow", {"seconds": 60}, 422),
        ("/drills/slow", {"seconds": True}, 422),
        ("/drills/slow", {"share": 0.5}, 422),
        ("/drills/failing", {"share": 2}, 422),
        ("/drills/unload", {"for_seconds": 1e9}, 422),
        ("/drills/unload", [1], 400),
    ],
    ids=str,
)
def test_a_drill_that_cannot_be_is_explained(path: str, body: object, status: int) -> None:
    service = service_with(FakeClassifier(), drills=Drills())
    answer = create_app(service).test_client().post(path, json=body)
    assert (answer.status_code, bool(body_of(answer)["hint"])) == (status, True)
    service.inference.close()


def test_another_sites_page_must_not_begin_a_drill() -> None:
    service = service_with(FakeClassifier(), drills=Drills())
    client = create_app(service).test_client()
    assert client.post("/drills/unload", headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post("/drills/unload", headers={"Origin": "http://localhost"}).status_code == 200
    service.inference.close()
