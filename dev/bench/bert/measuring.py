"""P95 and throughput for 1, 10 and 50 clients, at 20 requests a second, memory, and the plain loop beside them.

Invariant: every ratio is of one run: the loop and the API are measured in turn, never from another day's figures.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvloop

from bert_api.model.classifier import Classifier
from bert_api.model.classifier import load as load_model
from bert_api.model.versions import Versions
from bert_api.service.settings import from_environment
from dev.bench import load
from dev.bench.bert.replica import Replica, running_replica
from dev.bench.bert.texts import require_length, text
from dev.bench.measuring import Figures, percentile

CLIENTS = (1, 10, 50)
TOKENS = (16, 128)
STEADY_PER_SECOND = 20.0


@dataclass(frozen=True)
class Size:
    """Seconds of each measurement."""

    seconds: float = 8.0
    warm_up: float = 2.0


QUICK = Size(2.0, 0.5)


def measure(quick: bool) -> dict[str, Figures]:
    """One column for each length of text."""
    classifier = _model()
    return {f"{tokens} tokens": _of_length(classifier, tokens, QUICK if quick else Size()) for tokens in TOKENS}


def _model() -> Classifier:
    """The version that a new replica serves."""
    settings = from_environment(os.environ)
    if settings.model:
        return load_model(settings.model)
    with tempfile.TemporaryDirectory(prefix="bench-") as state:
        versions = Versions(settings.models, Path(state))
        return load_model(versions.folder(versions.current()))


def _of_length(classifier: Classifier, tokens: int, size: Size) -> Figures:
    require_length(classifier, tokens)
    with running_replica() as replica:
        _hammer(replica, tokens, 1, size.warm_up)
        figures = {"RSS at rest, MB": replica.resident_megabytes()}
        figures |= _beside_the_loop(classifier, replica, tokens, size)
        for clients in CLIENTS[1:]:
            figures |= _speeds(f"{clients} clients", _hammer(replica, tokens, clients, size.seconds))
        figures |= _steady(replica, tokens, size)
        figures["RSS after load, MB"] = replica.resident_megabytes()
    return figures


def _beside_the_loop(classifier: Classifier, replica: Replica, tokens: int, size: Size) -> Figures:
    """Half of the loop before the single client and half after, so that a busy moment hits both."""
    before = _loop(classifier, tokens, size.seconds / 2)
    single = _hammer(replica, tokens, 1, size.seconds)
    took = before + _loop(classifier, tokens, size.seconds / 2)
    loop, api = percentile(took, 50) * 1000, percentile(single.acked, 50) * 1000
    figures = {"plain loop: p50 ms": loop, "plain loop: p95 ms": percentile(took, 95) * 1000}
    figures |= _speeds("1 client", single)
    return figures | {"API's own ms a request (p50)": api - loop, "API / plain loop (p50)": api / loop}


def _loop(classifier: Classifier, tokens: int, seconds: float) -> list[float]:
    """Seconds of each call; the texts are made beforehand."""
    texts = [text(tokens, number) for number in range(200)]
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        classifier.predict([texts[len(took) % len(texts)]])
        took.append(time.perf_counter() - began)
    return took


def _poster(tokens: int) -> Callable[[list[int], int], bytes]:
    bodies = [orjson.dumps({"text": text(tokens, number)}) for number in range(200)]
    return lambda groups, _: bodies[groups[0] % len(bodies)]


def _hammer(replica: Replica, tokens: int, clients: int, seconds: float) -> load.Posted:
    work = load.until(time.monotonic() + seconds)
    return uvloop.run(load.hammer((f"{replica.url}/predict",), _poster(tokens), work, clients=clients))


def _speeds(name: str, posted: load.Posted) -> Figures:
    return {
        f"{name}: requests/s": (len(posted.acked) - posted.refused) / posted.seconds,
        f"{name}: p50 ms": percentile(posted.acked, 50) * 1000,
        f"{name}: p95 ms": percentile(posted.acked, 95) * 1000,
        f"{name}: refused": float(posted.refused),
    }


def _steady(replica: Replica, tokens: int, size: Size) -> Figures:
    requests = range(int(STEADY_PER_SECOND * size.seconds))
    posted = uvloop.run(load.pace(f"{replica.url}/predict", _poster(tokens), requests, STEADY_PER_SECOND))
    name = f"{STEADY_PER_SECOND:g}/s"
    return {f"{name}: p95 ms": percentile(posted.acked, 95) * 1000, f"{name}: refused": float(posted.refused)}
