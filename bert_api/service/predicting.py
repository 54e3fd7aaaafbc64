"""POST /predict and GET /model."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue

from bert_api.metrics import Metrics
from bert_api.model.classifier import Prediction
from bert_api.service import questions
from bert_api.service.inference import Answer, Inference, InferenceTimeout, NoModel, PredictionFailed, QueueFull
from bert_api.service.probing import HEADER, ProbeAllowance
from bert_api.service.problems import problem
from bert_api.service.questions import EXAMPLE, Question, Refused
from bert_api.service.serving import ModelSlot


def blueprint(slot: ModelSlot, inference: Inference, metrics: Metrics, probes: ProbeAllowance) -> Blueprint:
    routes = Blueprint("predicting", __name__)

    @routes.post("/predict")
    def predict() -> ResponseReturnValue:
        question = _question()
        g.golden_probe = _is_probe(probes, metrics, len(question.texts))
        answer = inference.ask(question.texts, counted=not g.golden_probe)
        if not g.golden_probe:
            _count(metrics, question, answer)
        return jsonify(_answer(question, answer, time.perf_counter() - g.began))

    @routes.get("/model")
    def model() -> ResponseReturnValue:
        served = slot.served
        if served is None:
            raise NoModel
        loaded = datetime.fromtimestamp(served.loaded_at, UTC).isoformat(timespec="seconds")
        return jsonify(asdict(served.classifier.info) | {"loaded_at": loaded})

    _explain_faults(routes)
    return routes


def _question() -> Question:
    if not request.is_json:
        seen = request.mimetype[:80] or "none"
        hint = f"Send Content-Type: application/json. {EXAMPLE}"
        raise Refused(415, "not_json_type", f"The Content-Type is {seen}.", hint)
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Refused(415, "encoded", "The body has a Content-Encoding.", "Send it as plain JSON, not compressed.")
    return questions.read(request.get_data(cache=False))


def _is_probe(probes: ProbeAllowance, metrics: Metrics, texts: int) -> bool:
    header = request.headers.get(HEADER)
    if header is None:
        return False
    admitted = probes.admits(header, texts)
    if not admitted:
        metrics.probed("refused")
    return admitted


def _count(metrics: Metrics, question: Question, answer: Answer) -> None:
    for each in answer.predictions:
        metrics.predicted(
            answer.version,
            each.label,
            each.confidence_level,
            each.confidence,
            each.tokens,
            language=question.language,
            truncated=each.truncated,
        )


def _answer(question: Question, answer: Answer, seconds: float) -> dict[str, Any]:
    about = {"model_version": answer.version, "latency_ms": round(seconds * 1000, 3)}
    shown = [_shown(each) for each in answer.predictions]
    return shown[0] | about if question.single else {"predictions": shown} | about


def _shown(each: Prediction) -> dict[str, Any]:
    return {
        "label": each.label,
        "probability": round(each.probability, 6),
        "confidence": round(each.confidence, 6),
        "confidence_level": each.confidence_level,
        "tokens": each.tokens,
        "truncated": each.truncated,
    }


def _explain_faults(routes: Blueprint) -> None:
    @routes.errorhandler(NoModel)
    def no_model(error: NoModel) -> ResponseReturnValue:
        return problem(503, "no_model", "No model is loaded.", "Wait for GET /readyz to answer 200, then retry.", 5)

    @routes.errorhandler(QueueFull)
    def queue_full(error: QueueFull) -> ResponseReturnValue:
        return problem(503, "queue_full", "As many requests as may wait do so already.", "Retry, more slowly.", 1)

    @routes.errorhandler(InferenceTimeout)
    def timeout(error: InferenceTimeout) -> ResponseReturnValue:
        return problem(504, "timeout", "The model gave no answer in time.", "Retry, or send fewer texts at once.")

    @routes.errorhandler(PredictionFailed)
    def failed(error: PredictionFailed) -> ResponseReturnValue:
        return problem(500, "prediction_failed", "The model failed on this request.", "Retry; it is not your request.")
