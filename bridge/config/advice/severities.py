"""Words for severities that the bridge does not know, so that what is critical is not taken for it."""

from __future__ import annotations

from bridge.config.advice.notes import Notes
from bridge.config.checks import mapping
from bridge.config.faults import Path
from bridge.core.routing.matcher_syntax import Term
from bridge.core.routing.matchers import Matcher
from bridge.core.routing.severity_words import OWN, known_words, likely_meant


def look(notes: Notes) -> None:
    """Aliases that take one of the bridge's own words away."""
    aliases = mapping(mapping(notes.data.get("incidents")).get("severity_aliases"))
    for word, meant in aliases.items():
        if word in OWN and word != meant:
            path: Path = ("incidents", "severity_aliases", word)
            message = f"{word} is a severity of the bridge, and would be read as {meant} everywhere"
            notes.warn(path, message, "an alias is another word: remove this one, or correct the alert's severity")


def look_at_severity(notes: Notes, path: Path, term: Term) -> None:
    """Of a route, whose matchers see the severity after aliases are put in."""
    incidents = mapping(notes.data.get("incidents"))
    aliases = mapping(incidents.get("severity_aliases", {"page": "critical"}))
    asked = Matcher("severity", term.op.replace("!", "=").replace("==", "="), term.value)  # what it names, or excludes
    if term.name != "severity" or asked.accepts("") or any(asked.accepts(word) for word in OWN):
        return
    meant = next((str(aliases[word]) for word in aliases if asked.accepts(word)), None)
    if meant is not None and incidents.get("severity_label", "severity") == "severity":
        never = "never holds" if term.op.startswith("=") else "excludes nothing"
        message = f"{Matcher(term.name, term.op, term.value)} {never}: by severity_aliases it is read as {meant}"
        notes.fault(path, message, f'write severity{term.op}"{meant}"')
    elif meant is None:
        near = likely_meant(term.value, aliases)
        words = ", ".join(known_words(aliases))
        hint = f'write severity{term.op}"{near}"' if near else f"known are {words}; others go into severity_aliases"
        message = f"{term.value!r} is no severity of the bridge: case counts, and it ranks below warning"
        notes.warn(path, message, hint)
