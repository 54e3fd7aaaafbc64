"""Retraining: a new head on corpus and feedback, judged against the version that is served, then written.

Invariant: every run that starts is recorded, and its end too, whatever ends it; a worse model is not written unless
forced.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bert_api import corpus
from bert_api.corpus import Sentence
from bert_api.model import head, manifest
from bert_api.model.encoder import Encoder
from bert_api.model.sentence import encoder_of
from bert_api.model.versions import Versions
from bert_api.training import feedback as feedback_file
from bert_api.training import version
from bert_api.training.history import RunHistory, RunStatus, Trigger
from bert_api.training.judging import Scores
from bert_api.training.version import Trained

#: How much the Brier score may rise and the AUC may fall. Far below the held-out part's own sampling error (0.011 for
#: Brier, by bootstrap over families), which is fair because both models are judged on the same sentences.
TOLERANCE = 0.002


@dataclass(frozen=True)
class Outcome:
    """`version` is None when the run was rejected. `before` and `after` are on the same held-out sentences."""

    status: RunStatus
    version: str | None
    current: str
    before: Scores
    after: Scores
    detail: str


def retrain(
    versions: Versions,
    history: RunHistory,
    trigger: Trigger,
    feedback: Path | None = None,
    force: bool = False,
    *,
    sentences: Sequence[Sentence] | None = None,
    threads: int = 1,
    clock: Callable[[], float] = time.time,
) -> Outcome:
    """Writes a new version, which is not served before it is activated.

    sentences: instead of the whole corpus. Raises FeedbackError, ModelLoadError or VersionError, recorded as failed.
    """
    run = history.started(version.NAME, trigger, clock())
    try:
        outcome = _run(versions, feedback, sentences or corpus.load(), force, threads)
    except BaseException as error:
        history.finished(run, clock(), "failed", detail=type(error).__name__)
        raise
    history.finished(run, clock(), outcome.status, outcome.version, outcome.detail)
    return outcome


def _run(
    versions: Versions, feedback: Path | None, sentences: Sequence[Sentence], force: bool, threads: int
) -> Outcome:
    extra = feedback_file.read(feedback) if feedback else []
    current = versions.current()
    folder = versions.folder(current)
    served, described = head.read(folder), manifest.read(folder)
    encoder = Encoder(encoder_of(folder), threads, described.max_tokens)
    train, held_out = _split(sentences, extra)
    judged_on = version.embed(encoder, held_out, served.layers)
    before = version.score(served, judged_on)
    # The search for it belongs to the build: feedback is small beside the corpus and does not move it.
    strength = float(described.training["strength"])
    trained = version.train(version.embed(encoder, train, served.layers), judged_on, served.layers, [strength])
    worse = _worse(before, trained.held_out)
    if worse and not force:
        return Outcome("rejected", None, current, before, trained.held_out, worse)
    written = _write(versions, trained, encoder_of(folder))
    detail = f"forced although {worse}" if worse else _comparison(before, trained.held_out)
    return Outcome("succeeded", written, current, before, trained.held_out, detail)


def _split(sentences: Sequence[Sentence], extra: Sequence[Sentence]) -> tuple[list[Sentence], list[Sentence]]:
    """Feedback is for training only, and never a text that the judgement stands on; it overrules the corpus."""
    held_out = [one for one in sentences if one.held_out]
    judged = {one.text for one in held_out}
    train = {one.text: one for one in [*sentences, *extra] if one.text not in judged}
    return list(train.values()), held_out


def _worse(before: Scores, after: Scores) -> str:
    """Why the new one is worse, or nothing."""
    if after.brier > before.brier + TOLERANCE or after.auc < before.auc - TOLERANCE:
        return f"the new model is worse: {_comparison(before, after)}"
    return ""


def _comparison(before: Scores, after: Scores) -> str:
    return f"Brier {before.brier:.4f} -> {after.brier:.4f}, AUC {before.auc:.4f} -> {after.auc:.4f}"


def _write(versions: Versions, trained: Trained, encoder_folder: Path) -> str:
    with tempfile.TemporaryDirectory(dir=versions.state) as prepared:
        version.write(trained, versions.next(), encoder_folder, Path(prepared))
        return versions.add(Path(prepared))
