"""The shipped model: what it says of sentences, and that it says the same however it is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_api import corpus
from bert_api.model.classifier import Classifier, Prediction, load
from bert_api.model.prediction import CONFIDENCE_BOUNDS
from bert_api.model.versions import SHIPPED

TOXIC = [
    "You are a pathetic idiot and everybody hates you.",
    "I will find you and break your legs.",
    "Go kill yourself, nobody would miss you.",
    "Shut the fuck up, you asshole.",
    "What a stupid, worthless piece of trash you are.",
]
CIVIL = [
    "Thank you very much for your quick answer.",
    "Please kill the process on port 8080 and restart the server.",
    "Beat the eggs, then fold in the flour.",
    "This bug is a nightmare, it took me all day.",
    "Damn good work, everyone!",
    "I don't agree with your proposal, it is too expensive.",
    "The train to Paris leaves at nine.",
]


@pytest.mark.parametrize("text", TOXIC)
def test_abuse_is_called_toxic(classifier: Classifier, text: str) -> None:
    assert classifier.predict([text])[0].label == "toxic"


@pytest.mark.parametrize("text", CIVIL)
def test_civil_text_is_not_called_toxic_even_when_its_words_are_rough(classifier: Classifier, text: str) -> None:
    assert classifier.predict([text])[0].label == "non_toxic"


def test_at_least_85_of_100_sentences_that_were_not_tuned_on_are_right(classifier: Classifier) -> None:
    fresh = corpus.load_fresh()
    predictions = classifier.predict([one.text for one in fresh])
    right = sum((prediction.label == "toxic") == one.toxic for prediction, one in zip(predictions, fresh, strict=True))
    assert right >= 0.85 * len(fresh)


def test_confident_predictions_are_right_more_often_than_doubtful_ones(classifier: Classifier) -> None:
    sentences = [one for one in corpus.load() if one.held_out and one.origin == "written"]
    rights: dict[str, list[bool]] = {"high": [], "medium": [], "low": []}
    for prediction, one in zip(classifier.predict([one.text for one in sentences]), sentences, strict=True):
        rights[prediction.confidence_level].append((prediction.label == "toxic") == one.toxic)
    doubtful = rights["medium"] + rights["low"]
    assert sum(rights["high"]) / len(rights["high"]) > sum(doubtful) / len(doubtful)


def test_a_batch_says_exactly_what_single_requests_say(classifier: Classifier) -> None:
    texts = [*TOXIC, *CIVIL, "word " * 300]
    assert [classifier.predict([text])[0] for text in texts] == classifier.predict(texts)


def test_eight_threads_get_what_one_gets(classifier: Classifier) -> None:
    texts = (TOXIC + CIVIL) * 4
    expected = classifier.predict(texts)
    with ThreadPoolExecutor(8) as threads:
        assert [
            one for result in threads.map(lambda text: classifier.predict([text]), texts) for one in result
        ] == expected


def test_no_texts_give_no_predictions(classifier: Classifier) -> None:
    assert classifier.predict([]) == []


def test_a_long_text_is_cut_and_says_so_with_its_whole_length(classifier: Classifier) -> None:
    limit = classifier.info.max_tokens
    fits, long = classifier.predict(["word " * (limit - 2), "word " * (limit - 1)])
    assert (limit, False) == (fits.tokens, fits.truncated)
    assert (limit + 1, True) == (long.tokens, long.truncated)


def test_the_length_of_a_text_many_times_too_long_is_counted_whole(classifier: Classifier) -> None:
    prediction = classifier.predict(["word " * 2000])[0]
    assert (prediction.tokens, prediction.truncated) == (2002, True)


@settings(max_examples=60)
@given(text=st.text(st.characters(), max_size=400))
def test_any_unicode_text_gets_a_probability(classifier: Classifier, text: str) -> None:
    prediction = classifier.predict([text])[0]
    assert 0.0 <= prediction.probability <= 1.0 and 0.5 <= prediction.confidence <= 1.0


@pytest.mark.parametrize("text", ["", "\x00", "\ud800", "a\udfffb", "\u0301" * 50, "🙂" * 300], ids=ascii)
def test_odd_strings_are_predicted_as_well(classifier: Classifier, text: str) -> None:
    assert 0.0 <= classifier.predict([text])[0].probability <= 1.0


def test_composed_and_decomposed_letters_are_the_same_text(classifier: Classifier) -> None:
    composed, decomposed = classifier.predict(["caf\u00e9", "cafe\u0301"])
    assert composed == decomposed


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_the_baseline_rises_to_one_at_the_histograms_bounds(version: str) -> None:
    info = load(SHIPPED / version).info
    shares = [share for _, share in info.baseline]
    assert list(CONFIDENCE_BOUNDS) == [upper for upper, _ in info.baseline]
    assert shares == sorted(shares) and shares[-1] == 1.0 and 0.0 <= shares[0] < 0.1


def test_the_newer_version_is_the_better_one_on_fresh_sentences() -> None:
    fresh = corpus.load_fresh()
    errors = []
    for version in ("1.0.0", "1.1.0"):
        predictions = load(SHIPPED / version).predict([one.text for one in fresh])
        errors.append(sum((p.probability - one.toxic) ** 2 for p, one in zip(predictions, fresh, strict=True)))
    assert errors[1] < errors[0]


@pytest.mark.parametrize(
    ("probability", "label", "level"),
    [
        (0.0, "non_toxic", "high"),
        (0.15, "non_toxic", "high"),
        (0.16, "non_toxic", "medium"),
        (0.41, "non_toxic", "low"),
        (0.5, "toxic", "low"),
        (0.6, "toxic", "medium"),
        (0.85, "toxic", "high"),
        (1.0, "toxic", "high"),
    ],
)
def test_label_and_level_follow_from_the_probability(probability: float, label: str, level: str) -> None:
    prediction = Prediction.of(probability, 3, truncated=False)
    assert (label, level) == (prediction.label, prediction.confidence_level)
