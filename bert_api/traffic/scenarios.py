"""Which sentences come, and how fast, in each scenario. Randomness is an argument."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bert_api.traffic.sentences import Sentences

SHARE_IN_BATCHES = 0.1  # of requests; some callers send several texts at once
BATCH_TEXTS = 4
SHARE_OF_PARAGRAPHS = 0.02  # of texts
PHASE_SECONDS = 600.0


@dataclass(frozen=True)
class Mix:
    """Shares of rude and of strange texts, the rest is ordinary; `pace` multiplies the rate."""

    rude: float
    strange: float
    pace: float = 1.0


SCENARIOS: Mapping[str, Mix] = {
    "normal": Mix(rude=0.2, strange=0.0),
    "toxic-wave": Mix(rude=0.65, strange=0.0),
    "drift": Mix(rude=0.03, strange=0.95),
    "surge": Mix(rude=0.2, strange=0.0, pace=12.0),
}
MIXED = "mixed"
NAMES = (*SCENARIOS, MIXED)


def mix_at(scenario: str, seconds: float) -> Mix:
    """`mixed` goes through the others, ten minutes each, and begins again."""
    if scenario != MIXED:
        return SCENARIOS[scenario]
    phases = tuple(SCENARIOS.values())
    return phases[int(seconds / PHASE_SECONDS) % len(phases)]


def request_body(mix: Mix, sentences: Sentences, chance: random.Random) -> dict[str, Any]:
    """The JSON of one POST /predict."""
    if chance.random() < SHARE_IN_BATCHES:
        return {"texts": [_text(mix, sentences, chance)[1] for _ in range(BATCH_TEXTS)]}
    language, text = _text(mix, sentences, chance)
    return {"text": text, "language": language}


def _text(mix: Mix, sentences: Sentences, chance: random.Random) -> tuple[str, str]:
    number = chance.random()
    if number < mix.rude:
        return sentences.any_rude(chance)
    if number < mix.rude + mix.strange:
        return sentences.any_strange(chance)
    return sentences.paragraph(chance) if chance.random() < SHARE_OF_PARAGRAPHS else sentences.any_ordinary(chance)
