"""Texts of a known length in tokens, each different from the others."""

from __future__ import annotations

import random

from bert_api.model.classifier import Classifier

SPECIAL = 2  # [CLS] and [SEP]
#: each of them is one token
WORDS = (
    *("the", "house", "river", "table", "window", "paper", "garden", "music", "train", "letter", "summer", "winter"),
    *("city", "water", "bread", "friend", "story", "street", "morning", "evening", "light", "door", "green", "small"),
    *("large", "quiet", "early", "late", "simple", "open", "closed", "bright", "heavy"),
)


def text(tokens: int, number: int) -> str:
    chance = random.Random(number)
    return " ".join(chance.choice(WORDS) for _ in range(tokens - SPECIAL))


def require_length(classifier: Classifier, tokens: int) -> None:
    """The figures would be of something else if another tokenizer cut these words."""
    seen = {each.tokens for each in classifier.predict([text(tokens, number) for number in range(20)])}
    if seen != {tokens}:
        raise SystemExit(f"The bench's texts should have {tokens} tokens, but this model's tokenizer counts {seen}.")
