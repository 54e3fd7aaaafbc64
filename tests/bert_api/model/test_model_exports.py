"""Third-party classifiers: single- and multi-label heads become one probability of toxic."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bert_api.model.classifier import ModelLoadError, load
from tests.bert_api.model.tiny_export import write_export

MULTI = "multi_label_classification"


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def test_a_single_label_head_gives_the_share_of_the_toxic_class(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "own", {"awful": [-1.0, 2.0]}, ["non_toxic", "toxic"])
    assert sigmoid(3.0) == pytest.approx(load(folder).predict(["awful"])[0].probability, abs=1e-6)


def test_several_toxic_classes_of_a_single_label_head_add_up(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "own", {"awful": [0.0, 0.0, 0.0]}, ["neutral", "insult", "threat"])
    assert pytest.approx(load(folder).predict(["awful"])[0].probability, abs=1e-6) == 2 / 3


def test_the_order_of_the_classes_is_read_from_the_configuration(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "own", {"awful": [2.0, -1.0]}, ["HATE", "NOT HATE"])
    assert sigmoid(3.0) == pytest.approx(load(folder).predict(["awful"])[0].probability, abs=1e-6)


def test_a_multi_label_head_is_decided_by_its_highest_sigmoid(tmp_path: Path) -> None:
    labels = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
    words = {"awful": [0.5, -3.0, -2.0, 1.5, 0.0, -4.0], "fine": [-5.0] * 6}
    awful, fine = load(write_export(tmp_path / "own", words, labels, problem_type=MULTI)).predict(["awful", "fine"])
    assert sigmoid(1.5) == pytest.approx(awful.probability, abs=1e-6)
    assert (awful.label, fine.label) == ("toxic", "non_toxic")


def test_one_single_output_is_a_sigmoid(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "own", {"awful": [1.0]}, ["toxicity"])
    assert sigmoid(1.0) == pytest.approx(load(folder).predict(["awful"])[0].probability, abs=1e-6)


def test_the_limit_is_the_models_own(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "own", {"awful": [0.0, 1.0]}, ["clean", "toxic"])
    fits, long = load(folder).predict(["awful " * 8, "awful " * 9])
    assert [(one.tokens, one.truncated) for one in (fits, long)] == [(8, False), (9, True)]


def test_two_positions_of_a_roberta_are_not_for_tokens(tmp_path: Path) -> None:
    labels = ["clean", "toxic"]
    folder = write_export(tmp_path / "own", {"awful": [0.0, 1.0]}, labels, model_type="xlm-roberta")
    assert load(folder).info.max_tokens == 6


def test_the_three_inputs_of_a_bert_are_fed(tmp_path: Path) -> None:
    inputs = ["attention_mask", "token_type_ids"]
    folder = write_export(tmp_path / "own", {"awful": [-1.0, 2.0]}, ["clean", "toxic"], inputs)
    assert sigmoid(3.0) == pytest.approx(load(folder).predict(["awful"])[0].probability, abs=1e-6)


def test_an_input_that_no_text_classifier_has_is_named(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "own", {"awful": [-1.0, 2.0]}, ["clean", "toxic"], ["pixel_values"])
    with pytest.raises(ModelLoadError, match=r"pixel_values.*text-classification"):
        load(folder)


def test_a_text_without_any_token_is_harmless(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "own", {"awful": [0.0, 1.0]}, ["clean", "toxic"])
    assert [(one.probability, one.tokens) for one in load(folder).predict([""])] == [(0.0, 0)]


def test_no_texts_give_no_predictions_here_either(tmp_path: Path) -> None:
    assert load(write_export(tmp_path / "own", {"awful": [0.0, 1.0]}, ["clean", "toxic"])).predict([]) == []


def test_another_graph_is_another_version_and_there_is_no_baseline(tmp_path: Path) -> None:
    one = load(write_export(tmp_path / "one", {"awful": [0.0, 1.0]}, ["clean", "toxic"])).info
    two = load(write_export(tmp_path / "two", {"awful": [0.0, 2.0]}, ["clean", "toxic"])).info
    assert one.version != two.version and one.baseline == ()


def test_labels_that_do_not_say_which_is_harmless_are_refused(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "own", {"awful": [0.0, 1.0]}, ["LABEL_0", "LABEL_1"])
    with pytest.raises(ModelLoadError, match="do not say which class is harmless"):
        load(folder)


def test_a_graph_whose_output_does_not_fit_the_labels_is_refused(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "own", {"awful": [0.0, 1.0]}, ["clean", "toxic"])
    config = folder / "config.json"
    config.write_text('{"id2label": {"0": "clean", "1": "insult", "2": "threat"}}')
    with pytest.raises(ModelLoadError, match=r"shape \(1, 2\), config\.json names 3 labels"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("config.json", "{", "cannot be read as JSON"),
        ("config.json", "{}", "has no id2label"),
        ("tokenizer.json", "{}", "cannot be read as a tokenizer"),
        ("model.onnx", "not a graph", "cannot be loaded by onnxruntime"),
    ],
    ids=["broken configuration", "no labels", "broken tokenizer", "broken graph"],
)
def test_a_broken_part_is_named(tmp_path: Path, name: str, content: str, text: str) -> None:
    folder = write_export(tmp_path / "own", {"awful": [0.0, 1.0]}, ["clean", "toxic"])
    (folder / name).write_text(content)
    with pytest.raises(ModelLoadError, match=text):
        load(folder)


def test_an_export_without_its_graph_says_under_which_name_it_is_wanted(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "own", {"awful": [0.0, 1.0]}, ["clean", "toxic"])
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelLoadError, match=r"model\.onnx is missing"):
        load(folder)
