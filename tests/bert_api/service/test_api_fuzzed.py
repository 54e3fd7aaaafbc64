"""Whatever is sent, the answer is one of those that are documented, and never a 500."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_api.model.classifier import load
from bert_api.model.versions import SHIPPED
from bert_api.service.app import create_app
from bert_api.service.questions import FIELDS, clean
from tests.answers import body_of
from tests.bert_api.service.api_fakes import FakeClassifier, service_with

POSSIBLE = {200, 400, 413, 415, 422}
ANY_TEXT = st.text(st.characters(), max_size=60)  # lone surrogates and NUL included
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
NEARLY_RIGHT = st.dictionaries(
    st.sampled_from(FIELDS), ANY_TEXT | st.lists(ANY_TEXT, max_size=34) | ANY_JSON, min_size=1, max_size=2
)


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[FlaskClient]:
    service = service_with(FakeClassifier())
    yield create_app(service).test_client()
    service.inference.close()


@settings(max_examples=200)
@given(content=NEARLY_RIGHT | ANY_JSON)
def test_any_json_gets_a_documented_answer(fuzzed: FlaskClient, content: object) -> None:
    answer = fuzzed.post("/predict", data=json.dumps(content), content_type="application/json")
    assert answer.status_code in POSSIBLE, answer.text


@settings(max_examples=200)
@given(
    body=st.binary(max_size=300), content_type=st.sampled_from(["application/json", "text/json", "a/b; charset=x", ""])
)
def test_any_bytes_get_a_documented_answer(fuzzed: FlaskClient, body: bytes, content_type: str) -> None:
    answer = fuzzed.post("/predict", data=body, content_type=content_type)
    assert answer.status_code in POSSIBLE, answer.text


@settings(max_examples=200)
@given(text=ANY_TEXT.filter(lambda text: bool(clean(text).strip())))
def test_every_visible_text_is_classified(fuzzed: FlaskClient, text: str) -> None:
    answer = fuzzed.post("/predict", data=json.dumps({"text": text}), content_type="application/json")
    assert (answer.status_code, body_of(answer)["label"] in ("toxic", "non_toxic")) == (200, True), answer.text


@pytest.fixture(scope="module")
def real() -> Iterator[FlaskClient]:
    service = service_with(load(max(SHIPPED.iterdir())))
    yield create_app(service).test_client()
    service.inference.close()


@settings(max_examples=100)
@given(
    text=ANY_TEXT.filter(lambda text: bool(clean(text).strip())) | st.sampled_from(["\ud800\udc00", "\u200b", "\u0301"])
)
def test_the_shipped_model_classifies_every_visible_text(real: FlaskClient, text: str) -> None:
    answer = real.post("/predict", data=json.dumps({"text": text}), content_type="application/json")
    assert (answer.status_code, 0 <= body_of(answer)["probability"] <= 1) == (200, True), answer.text


@given(text=ANY_TEXT)
def test_a_cleaned_text_is_what_any_encoder_takes(text: str) -> None:
    cleaned = clean(text)
    assert "\0" not in cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert clean(cleaned) == cleaned
    cleaned.encode("utf-8")


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert clean("a\ud800b") == "a\N{REPLACEMENT CHARACTER}b"


def test_a_whole_pair_in_json_is_one_character(fuzzed: FlaskClient) -> None:
    answer = fuzzed.post("/predict", data=rb'{"text": "\ud83d\ude00 nice"}', content_type="application/json")
    assert (answer.status_code, body_of(answer)["tokens"]) == (200, 4)
