"""Known severity words, and the one likely meant by an unknown word."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from bridge.core.model import Severity

OWN = tuple(str(severity) for severity in Severity)
_CRITICAL = ("crit", "fatal", "emergency", "emerg", "disaster", "urgent", "pager", "high", "sev0", "sev1", "p0", "p1")
#: what other tools call them
_ELSEWHERE = {
    **dict.fromkeys(_CRITICAL, Severity.CRITICAL.value),
    **dict.fromkeys(("warn", "minor"), Severity.WARNING.value),
    **dict.fromkeys(("information", "informational", "notice"), Severity.INFO.value),
}


def known_words(aliases: Mapping[str, str]) -> tuple[str, ...]:
    """The bridge's own words, then the aliases."""
    return (*OWN, *(word for word in aliases if word not in OWN))


def likely_meant(word: str, aliases: Mapping[str, str]) -> str | None:
    """The severity behind a word in another case or spelling; None when none is near."""
    folded = {each.casefold(): each for each in known_words(aliases)}
    synonyms = {**_ELSEWHERE, **folded}
    near = difflib.get_close_matches(word.strip().casefold(), synonyms, n=1, cutoff=0.75)
    return aliases.get(synonyms[near[0]], synonyms[near[0]]) if near else None
