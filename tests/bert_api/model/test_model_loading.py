"""What is refused at load, and what the refusal says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bert_api.model.classifier import ModelLoadError, load
from bert_api.model.manifest import sha256


def change(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_unchanged_copy_loads_with_the_encoder_beside_it(copied: Path) -> None:
    assert load(copied).info.version == "1.1.0"


@pytest.mark.parametrize("name", ["head.json", "../../encoder/encoder.onnx", "../../encoder/tokenizer.json"])
def test_a_file_with_one_changed_byte_is_refused_by_name(copied: Path, name: str) -> None:
    path = (copied / name).resolve()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=rf"{path.name} was changed: SHA-256 is [0-9a-f]{{64}}, recorded is"):
        load(copied)


def test_a_head_of_another_releases_encoder_is_refused_with_the_way_out(copied: Path) -> None:
    change(copied, encoder_files={"encoder.onnx": "0" * 64})
    with pytest.raises(ModelLoadError, match=r"encoder.onnx was changed.*deploy a shipped version, or retrain"):
        load(copied)


@pytest.mark.parametrize("name", ["head.json", "../../encoder/encoder.onnx"])
def test_a_missing_file_is_named_with_the_way_out(copied: Path, name: str) -> None:
    path = (copied / name).resolve()
    path.unlink()
    with pytest.raises(ModelLoadError, match=rf"{path.name} is missing.*bert_api.build"):
        load(copied)


def test_a_version_without_checksums_is_refused(copied: Path) -> None:
    change(copied, files={})
    with pytest.raises(ModelLoadError, match="no checksums"):
        load(copied)


def test_a_description_of_another_schema_is_refused(copied: Path) -> None:
    change(copied, schema=99)
    with pytest.raises(ModelLoadError, match="schema 1"):
        load(copied)


def test_a_description_that_is_not_json_is_refused(copied: Path) -> None:
    (copied / "model.json").write_text("{")
    with pytest.raises(ModelLoadError, match=r"model\.json is not a description of a model"):
        load(copied)


def test_a_description_with_an_unknown_key_is_refused_by_its_name(copied: Path) -> None:
    change(copied, colour="red")
    with pytest.raises(ModelLoadError, match="colour"):
        load(copied)


def test_a_baseline_that_falls_is_refused(copied: Path) -> None:
    bounds = [upper for upper, _ in json.loads((copied / "model.json").read_text())["baseline"]]
    change(copied, baseline=[[upper, 1.0 - upper] for upper in bounds])
    with pytest.raises(ModelLoadError, match="baseline must give a rising share"):
        load(copied)


def rewrite_head(folder: Path, **changes: Any) -> None:
    """With the checksum corrected, as a user would who builds a version by hand."""
    path = folder / "head.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    change(folder, files={"head.json": sha256(path)})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"weights": [1.0, 2.0]}, "has 2 weights, the encoder gives 768"),
        ({"layers": ["cellar"]}, "wants the layers .'cellar'., the encoder has"),
        ({"weights": [[1.0]]}, "one list of finite numbers"),
        ({"bias": "high"}, "is not a head"),
    ],
    ids=["width", "layer", "shape", "bias"],
)
def test_a_head_that_does_not_fit_the_encoder_is_refused(copied: Path, changes: dict[str, Any], text: str) -> None:
    rewrite_head(copied, **changes)
    with pytest.raises(ModelLoadError, match=text):
        load(copied)


def test_a_folder_that_is_not_there_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="is not a folder"):
        load(tmp_path / "nowhere")


def test_a_folder_with_something_else_lists_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(ModelLoadError, match=r"it holds pytorch_model\.bin\. Point at"):
        load(tmp_path)
