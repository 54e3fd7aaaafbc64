"""The corpus: varied, labelled without contradiction, and split so that the held-out part is a fair judge."""

from __future__ import annotations

from collections import Counter

import pytest

from bert_api import corpus
from bert_api.corpus import Sentence


@pytest.fixture(scope="module")
def sentences() -> list[Sentence]:
    return corpus.load()


def test_it_is_the_same_every_time(sentences: list[Sentence]) -> None:
    assert sentences == corpus.load()
    assert corpus.digest(sentences) == corpus.digest(reversed(sentences))


def test_no_sentence_is_there_twice_and_none_has_an_empty_slot(sentences: list[Sentence]) -> None:
    texts = [one.text for one in sentences]
    assert len(texts) == len(set(texts))
    assert [text for text in texts if "{" in text or "}" in text or not text.strip()] == []


def test_it_holds_several_thousand_sentences_and_a_thousand_of_them_were_written_by_hand(
    sentences: list[Sentence],
) -> None:
    origins = Counter(one.origin for one in sentences)
    assert origins["written"] > 1000 and origins["template"] > 2500


def test_neither_label_has_less_than_a_third(sentences: list[Sentence]) -> None:
    share = sum(one.toxic for one in sentences) / len(sentences)
    assert 1 / 3 < share < 2 / 3


def test_a_category_has_one_label(sentences: list[Sentence]) -> None:
    labels = {(one.category, one.toxic) for one in sentences}
    assert len(labels) == len({category for category, _ in labels})


def test_no_family_is_on_both_sides(sentences: list[Sentence]) -> None:
    held_out = {one.family for one in sentences if one.held_out}
    assert not held_out & {one.family for one in sentences if not one.held_out}


def test_every_category_is_judged(sentences: list[Sentence]) -> None:
    assert {one.category for one in sentences} == {one.category for one in sentences if one.held_out}


def test_the_fresh_sentences_were_never_trained_on(sentences: list[Sentence]) -> None:
    fresh = {one.text.lower() for one in corpus.load_fresh()}
    assert len(fresh) >= 100 and not fresh & {one.text.lower() for one in sentences}
