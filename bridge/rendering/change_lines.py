"""Changes as short texts, dated relative to when the trouble began."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.facts import ChangeEvent
from bridge.core.numbers import in_words
from bridge.rendering.fact_lines import short_name
from bridge.rendering.links import safe_href
from bridge.rendering.text import cut, one_line

AS = timedelta(minutes=1)  #: clocks and scrapes tell no more


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """`v2 deployed 6 min before it began, by ci`."""

    text: str
    href: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Beginning:
    """What changes are dated by. word: `it began` where that is known, else `it fired`, which is later."""

    at: datetime
    word: str

    def gap(self, at: datetime) -> str:
        before = self.at - at
        if abs(before) < AS:
            return f"as {self.word}"
        whole = timedelta(seconds=round(abs(before).total_seconds()))
        return f"{in_words(whole)} {'before' if before > timedelta(0) else 'after'} {self.word}"


def change_line(change: ChangeEvent, beginning: Beginning, component: str) -> ChangeLine:
    """component: changes of other services name theirs."""
    by = f", by {short_name(change.by)}" if change.by else ""
    of = f"{short_name(change.service)}: " if change.service and change.service != component else ""
    text = f"{of}{_what(change)} {beginning.gap(change.at)}{by}"
    return ChangeLine(text, safe_href(change.link) if change.link else None, change.at)


def _what(change: ChangeEvent) -> str:
    version, previous = short_name(change.version), short_name(change.previous)
    if change.kind in ("deploy", "rollback") and version:
        text = f"{version} deployed" if change.kind == "deploy" else f"rolled back to {version}"
        return f"{text} (before: {previous})" if previous else text
    return cut(one_line(change.summary), 150) or short_name(change.kind)
