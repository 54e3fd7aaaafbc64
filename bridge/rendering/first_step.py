"""The first step of an alert's runbook, short enough for a message."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bridge.core.model import Alert
from bridge.rendering.links import Addresses, own_runbook
from bridge.rendering.runbook_pages import Runbook, runbook
from bridge.rendering.text import cut, one_line

ANNOTATION = "first_step"
MAX_STEP = 150  #: characters: three lines on a phone
_SENTENCE_END = re.compile(r"(?<=[.?!:])\s+(?=[A-Z])")


def first_step_of(alerts: Iterable[Alert], addresses: Addresses) -> str:
    """The annotation of the first alert that has one; else that of the bridge's own runbook, if its link leads there.

    Another page may say something else, so nothing is said of it.
    """
    every = list(alerts)
    own = next((text for each in every if (text := each.annotations.get(ANNOTATION, "").strip())), "")
    reference = next((text for each in every if (text := each.annotations.get("runbook_url", ""))), "")
    name = own_runbook(reference, addresses)
    page = runbook(name) if name and not own else None
    return _sentences(one_line(own)) or (_of_page(page) if page else "")


def _of_page(page: Runbook) -> str:
    """With its command where it is a mere question, which helps nobody."""
    step, command = _sentences(page.first_step), page.first_command
    asks = step.endswith("?") and "\n" not in command and len(step) + len(command) < MAX_STEP
    return f"{step} {command}".strip() if asks else step


def _sentences(text: str) -> str:
    """As many whole sentences as fit."""
    kept = ""
    for sentence in _SENTENCE_END.split(text):
        longer = f"{kept} {sentence}".strip()
        if len(longer) > MAX_STEP:
            break
        kept = longer
    return kept or cut(text, MAX_STEP)
