"""ONNX Runtime sessions. The only file that knows onnxruntime.

Invariant: one inference uses the threads it was given and spins on none of them while idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from bert_api.model.errors import ModelLoadError

ort.disable_telemetry_events()  # no usage data leaves this machine
FRAMEWORK = f"onnxruntime {ort.__version__}"


class Session:
    """One ONNX graph, loaded; `run` is safe from many threads at once and releases the interpreter's lock.

    exact: for int8 weights that may saturate where VNNI is missing; the sums are then taken in a slower way there.
    """

    def __init__(self, path: Path, threads: int, *, exact: bool = False) -> None:
        if not path.is_file():
            raise ModelLoadError(f"{path} is missing. A model folder needs its ONNX graph under this name.")
        try:
            options, providers = _options(threads, exact), ["CPUExecutionProvider"]
            self._session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime's own exceptions share no public parent
            raise ModelLoadError(
                f"{path} cannot be loaded by {FRAMEWORK}: {str(error)[:300]}. Is it a complete ONNX file?"
            ) from error
        self.inputs = [node.name for node in self._session.get_inputs()]
        self.outputs = [node.name for node in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """All outputs, in the order of `outputs`. Feeds that the graph does not want are left out."""
        values: list[NDArray[np.float32]] = self._session.run(None, {name: feeds[name] for name in self.inputs})
        return values


def _options(threads: int, exact: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would take the cores from the web server's own.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if exact:  # see onnxruntime_session_options_config_keys.h; processors with VNNI ignore it
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3
    return options
