"""The same answers on every processor: with VNNI and without, and by the standard's own arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, version_converter
from onnx.reference import ReferenceEvaluator

from bert_api import corpus
from bert_api.model import head
from bert_api.model.classifier import Classifier, load
from bert_api.model.encoder import GRAPH, Encoder
from bert_api.model.versions import SHIPPED
from bert_api.traffic.sentences import from_corpus
from bert_api.training import saturation
from tests.bert_api.model import emulation
from tests.bert_api.model.tiny_export import write_export

ENCODER, SERVED = SHIPPED.parent / "encoder", SHIPPED / "1.1.0"
TEXTS = [one.text for one in corpus.load_fresh()[::8]] + [text for _, text in from_corpus().strange[::8]]
#: docs/model.md promises it. A sum of floats in another order may round one activation the other way, and that goes on.
AGREEMENT = 0.15
MEAN_AGREEMENT = 0.01
emulated = pytest.mark.skipif(not emulation.QEMU, reason="no qemu-x86_64: apt install qemu-user-static")


def test_no_sum_of_the_shipped_encoder_can_saturate_on_any_processor() -> None:
    largest = saturation.largest_weight(ENCODER / GRAPH)
    assert 0 < largest <= saturation.LARGEST
    assert 2 * 255 * largest <= 2**15 - 1


@pytest.mark.parametrize(("weight", "found"), [(64, 64), (-128, 128), (127, 127)])
def test_the_largest_weight_is_found_with_its_sign_away(tmp_path: Path, weight: int, found: int) -> None:
    onnx.save(product(weight), tmp_path / "graph.onnx")
    assert found == saturation.largest_weight(tmp_path / "graph.onnx")


def test_a_table_that_is_only_read_may_use_all_eight_bits(tmp_path: Path) -> None:
    table = numpy_helper.from_array(np.full((3, 4), 127, np.int8), "table")
    node = helper.make_node("Gather", ["table", "ids"], ["row"])
    ids, row = (helper.make_tensor_value_info(*each) for each in
                (("ids", TensorProto.INT64, [None]), ("row", TensorProto.INT8, [None, 4])))  # fmt: skip
    onnx.save(helper.make_model(helper.make_graph([node], "read", [ids], [row], [table])), tmp_path / "graph.onnx")
    assert saturation.largest_weight(tmp_path / "graph.onnx") == 0


def product(weight: int) -> onnx.ModelProto:
    """Unsigned activations by two columns of one weight, with its sign and against it."""
    matrix = numpy_helper.from_array(np.array([[weight, 1]] * 4, np.int8), "matrix")
    node = helper.make_node("MatMulInteger", ["activations", "matrix"], ["sums"])
    given, sums = (helper.make_tensor_value_info(*each) for each in
                   (("activations", TensorProto.UINT8, [1, 4]), ("sums", TensorProto.INT32, [1, 2])))  # fmt: skip
    return helper.make_model(helper.make_graph([node], "product", [given], [sums], [matrix]))


def test_answers_here_agree_with_exact_arithmetic(classifier: Classifier) -> None:
    """The reference evaluator of the ONNX standard takes every sum in 32 bits."""
    assert_agreement(exact_probabilities(), [each.probability for each in classifier.predict(TEXTS)])


@emulated
@pytest.mark.timeout(900)
@pytest.mark.parametrize("processor", emulation.WITHOUT_VNNI)
def test_answers_here_agree_with_those_of_a_processor_without_vnni(classifier: Classifier, processor: str) -> None:
    here = [each.probability for each in classifier.predict(TEXTS)]
    assert_agreement(emulation.probabilities(processor, SERVED, TEXTS), here)


@emulated
@pytest.mark.timeout(900)
@pytest.mark.parametrize("processor", emulation.WITHOUT_VNNI)
def test_a_foreign_export_with_weights_of_eight_bits_answers_the_same_there(tmp_path: Path, processor: str) -> None:
    folder = write_export(tmp_path / "own", {"awful": [0.0, 0.0]}, ["clean", "toxic"])
    onnx.save(saturating(), folder / "model.onnx")
    here = [each.probability for each in load(folder).predict(["awful", "fine"])]
    assert here == pytest.approx(emulation.probabilities(processor, folder, ["awful", "fine"]), abs=1e-6)


def saturating() -> onnx.ModelProto:
    """Logits of input_ids whose sums of two products are 64,770 where nothing cuts them."""
    width = 64
    tensors = [
        numpy_helper.from_array(np.array([[0.1] * width, [1.0] * width], np.float32), "table"),
        numpy_helper.from_array(np.array([[127, -127]] * width, np.int8), "weights"),
        numpy_helper.from_array(np.array(1 / 127 / width, np.float32), "unit"),
    ]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("ReduceMean", ["rows"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("DynamicQuantizeLinear", ["mean"], ["numbers", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["numbers", "weights", "zero"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["scale", "unit"], ["step"]),
        helper.make_node("Mul", ["floats", "step"], ["logits"]),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])
    graph = helper.make_graph(nodes, "saturating", [ids], [logits], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def exact_probabilities() -> list[float]:
    graph = ReferenceEvaluator(version_converter.convert_version(onnx.load(ENCODER / GRAPH), 21))
    rows = []
    for one in Encoder(ENCODER).tokenize(TEXTS):
        ids = np.array([one.ids], dtype=np.int64)
        outputs = graph.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        rows.append(np.concatenate(list(outputs), axis=1))
    return [float(each) for each in head.read(SERVED).probabilities(np.concatenate(rows))]


def assert_agreement(one: list[float], other: list[float]) -> None:
    apart = np.abs(np.array(one) - np.array(other))
    assert apart.max() <= AGREEMENT and apart.mean() <= MEAN_AGREEMENT, sorted(apart)[-5:]
