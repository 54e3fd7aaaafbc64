"""Whether the sums of a quantised graph can saturate. Beside the exporter, the only file that reads ONNX graphs.

x86 processors without VNNI multiply with VPMADDUBSW, which adds two products of an activation (0 to 255) and a weight
(-128 to 127) in 16 bits and cuts what does not fit (Intel's Software Developer's Manual, volume 2, PMADDUBSW). Weights
of at most LARGEST keep two products within 2 * 255 * 64 = 32,640, so every processor gets the same sums.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

LARGEST = (2**15 - 1) // (2 * 255)
_EIGHT_BITS = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
#: They read a table or make floats of it; no sum of integers is taken.
_NO_SUMS = ("Gather", "DequantizeLinear")


def largest_weight(graph: Path) -> int:
    """The largest absolute value among the 8-bit matrices that are multiplied as integers; 0 without any."""
    body = onnx.load(graph).graph
    read = {name for node in body.node if node.op_type not in _NO_SUMS for name in node.input}
    matrices = [each for each in body.initializer if each.name in read and _is_matrix(each)]
    return max((int(np.abs(numpy_helper.to_array(each).astype(int)).max()) for each in matrices), default=0)


def _is_matrix(tensor: onnx.TensorProto) -> bool:
    """Zero points and scales have one dimension or none."""
    return tensor.data_type in _EIGHT_BITS and len(tensor.dims) > 1
