"""Chooses the strange texts of the drift scenario: python -m bert_api.traffic.choosing, after a new model was shipped.

Thousands of candidates (slang and phrases of several languages with what users type around them, sentences with
broken letters) are asked of every shipped version; kept are those that all of them are unsure of.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

from bert_api import corpus
from bert_api.model.classifier import load
from bert_api.model.versions import SHIPPED
from bert_api.traffic.sentences import OTHER, STRANGE_FILE, lines_of

PHRASES_FILE = Path(__file__).with_name("phrases.txt")
UNSURE = 0.06  # farthest from a probability of one half; an alert looks at confidences up to 0.6
BEFORE = ("", "lol ", "bruh ", "omg ", "ngl ", "ok ", "pls ")
AFTER = ("", " lol", " xd", " jk", " smh", " tho", "...", " ?!", " m8", " haha")
DIGITS = str.maketrans("aeiost", "4310$7")
LONGEST_BROKEN = 60  # characters


def candidates() -> Iterator[tuple[str, str, str]]:
    """(language, what it is made from, text); of each origin one text is enough."""
    for language, phrase in lines_of(PHRASES_FILE):
        for before, after in itertools.product(BEFORE, AFTER):
            yield language, phrase, f"{before}{phrase}{after}"
    for sentence in corpus.load()[::4]:
        if len(sentence.text) <= LONGEST_BROKEN and not sentence.toxic:
            for broken in (sentence.text.translate(DIGITS), _without_vowels(sentence.text), _reversed(sentence.text)):
                yield OTHER, sentence.text, broken


def _without_vowels(text: str) -> str:
    return "".join(letter for letter in text if letter not in "aeiou")


def _reversed(text: str) -> str:
    return " ".join(word[::-1] if len(word) > 3 else word for word in text.split())


def unsure() -> Mapping[str, tuple[float, str, str]]:
    """Of each origin the text that the versions are least sure of: (distance from one half, language, text)."""
    listed = list(candidates())
    distances = [0.0] * len(listed)
    for folder in sorted(SHIPPED.iterdir()):
        predictions = load(folder).predict([text for _, _, text in listed])
        distances = [max(far, abs(each.probability - 0.5)) for far, each in zip(distances, predictions, strict=True)]
    best: dict[str, tuple[float, str, str]] = {}
    for (language, origin, text), far in zip(listed, distances, strict=True):
        if far <= UNSURE and far < best.get(origin, (1.0, "", ""))[0]:
            best[origin] = (far, language, text)
    return best


def main() -> None:
    chosen = sorted((language, text) for _, language, text in unsure().values())
    head = (
        "# Written by python -m bert_api.traffic.choosing: a language, a tab, a text that the shipped models doubt.\n"
    )
    STRANGE_FILE.write_text(head + "".join(f"{language}\t{text}\n" for language, text in chosen), encoding="utf-8")
    print(f"{len(chosen)} texts written to {STRANGE_FILE.name}.")


if __name__ == "__main__":
    main()
