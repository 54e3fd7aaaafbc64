"""Which sentences come, and how fast, in each scenario. Randomness is an argument."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bert_api.traffic.sentences import LONG, ORDINARY, RUDE, STRANGE

SHARE_IN_BATCHES = 0.1  # of requests; some callers send several texts at once
BATCH_TEXTS = 4
PHASE_SECONDS = 600.0


@dataclass(frozen=True)
class Mix:
    """Shares of rude and of strange texts, the rest is ordinary; `pace` multiplies the rate."""

    rude: float
    strange: float
    pace: float = 1.0


SCENARIOS: Mapping[str, Mix] = {
    "normal": Mix(rude=0.08, strange=0.02),
    "toxic-wave": Mix(rude=0.65, strange=0.02),
    "drift": Mix(rude=0.05, strange=0.9),
    "surge": Mix(rude=0.08, strange=0.02, pace=12.0),
}
MIXED = "mixed"
NAMES = (*SCENARIOS, MIXED)


def mix_at(scenario: str, seconds: float) -> Mix:
    """`mixed` goes through the others, ten minutes each, and begins again."""
    if scenario != MIXED:
        return SCENARIOS[scenario]
    phases = tuple(SCENARIOS.values())
    return phases[int(seconds / PHASE_SECONDS) % len(phases)]


def request_body(mix: Mix, chance: random.Random) -> dict[str, Any]:
    """The JSON of one POST /predict."""
    if chance.random() < SHARE_IN_BATCHES:
        return {"texts": [_sentence(mix, chance)[1] for _ in range(BATCH_TEXTS)]}
    language, text = _sentence(mix, chance)
    return {"text": text, "language": language}


def _sentence(mix: Mix, chance: random.Random) -> tuple[str, str]:
    drawn = chance.random()
    if drawn < mix.rude:
        return "en", _varied(chance.choice(RUDE), chance)
    if drawn < mix.rude + mix.strange:
        return chance.choice(STRANGE)
    return "en", chance.choice(LONG) if chance.random() < 0.05 else _varied(chance.choice(ORDINARY), chance)


def _varied(text: str, chance: random.Random) -> str:
    """People do not type the same sentence the same way twice."""
    return chance.choice((text, text, text.lower(), text.rstrip(".!?"), f"{text} {chance.choice(ORDINARY)}"))
