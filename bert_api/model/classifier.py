"""Loading: a folder becomes a classifier. The folder says by its files which kind of model it holds.

Invariant: what is served is exactly what was built; a file that differs from its recorded checksum is refused.
"""

from __future__ import annotations

from pathlib import Path

from bert_api.model.errors import ModelLoadError
from bert_api.model.export import load_export
from bert_api.model.manifest import MANIFEST
from bert_api.model.prediction import Classifier, ModelInfo, Prediction
from bert_api.model.sentence import load_version

__all__ = ["Classifier", "ModelInfo", "ModelLoadError", "Prediction", "load"]


def load(folder: Path, threads: int = 1) -> Classifier:
    """Either one of our versions (`model.json`) or a plain ONNX sequence-classification export (`config.json`).

    threads: how many threads one inference may use. Raises ModelLoadError.
    """
    if not folder.is_dir():
        raise ModelLoadError(f"{folder} is not a folder. Give the folder of one model version.")
    if (folder / MANIFEST).exists():
        return load_version(folder, threads)
    if (folder / "config.json").exists():
        return load_export(folder, threads)
    seen = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
    raise ModelLoadError(
        f"{folder} holds neither {MANIFEST} (a version built by bert_api) nor config.json (an ONNX export); it holds "
        f"{seen}. Point at the folder of one version, for instance bert_api/models/versions/1.0.0."
    )
