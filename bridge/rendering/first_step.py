"""The first step of an alert's runbook that is not answered yet, short enough for a message."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from bridge.core.facts import Measurements, newest_of
from bridge.core.model import Alert
from bridge.rendering.links import Addresses, own_runbook
from bridge.rendering.runbook_pages import Step, runbook
from bridge.rendering.text import cut, one_line

ANNOTATION = "first_step"
MAX_STEP = 150  #: characters: three lines on a phone
_SENTENCE_END = re.compile(r"(?<=[.?!:])\s+(?=[A-Z])")
#: What a step of the bridge's own runbooks asks for, by its words.
_ASKS = {
    "change": re.compile(r"deployed|something change|was it meant", re.IGNORECASE),
    "kind": re.compile(r"which kind", re.IGNORECASE),
}


def first_step_of(alerts: Iterable[Alert], addresses: Addresses, answered: Collection[str] = ()) -> str:
    """The annotation of the first alert that has one; else that of the bridge's own runbook, if its link leads there.

    Another page may say something else, so nothing is said of it. answered: as answered_by gives it.
    """
    every = list(alerts)
    if own := next((text for each in every if (text := each.annotations.get(ANNOTATION, "").strip())), ""):
        return _sentences(one_line(own))
    reference = next((text for each in every if (text := each.annotations.get("runbook_url", ""))), "")
    name = own_runbook(reference, addresses)
    page = runbook(name) if name else None
    left = (step for step in (page.steps if page else ()) if not _asked(step) & set(answered))
    return next(map(_short, left), "")


def answered_by(known: Measurements | None) -> frozenset[str]:
    """What the message says itself: that nothing was changed, or that it was rolled back; the kinds of errors."""
    return frozenset(_answered(known)) if known is not None else frozenset()


def _answered(known: Measurements) -> Iterator[str]:
    context = newest_of(known)
    if context.changes[0].kind == "rollback" if context.changes else context.changes_known:
        yield "change"
    kinds = context.by_role("error_types")
    if kinds is not None and kinds.parts:
        yield "kind"


def _asked(step: Step) -> set[str]:
    return {topic for topic, words in _ASKS.items() if words.search(step.text)}


def _short(step: Step) -> str:
    """With its command where it is a mere question, which does not help alone."""
    text, command = _sentences(step.text), step.command
    asks = text.endswith("?") and "\n" not in command and len(text) + len(command) < MAX_STEP
    return f"{text} {command}".strip() if asks else text


def _sentences(text: str) -> str:
    """As many whole sentences as fit."""
    kept = ""
    for sentence in _SENTENCE_END.split(text):
        longer = f"{kept} {sentence}".strip()
        if len(longer) > MAX_STEP:
            break
        kept = longer
    return kept or cut(text, MAX_STEP)
