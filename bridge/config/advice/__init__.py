"""What `bridge check` says beyond what stops the bridge: mistakes that would be noticed at 3 a.m. only.

A fault here is what can never work, a warning what may be meant. Neither stops a bridge from starting or reloading:
one that ran yesterday runs today. One fault a mistake: nothing is said of a path that has a fault already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from bridge.config.advice import (
    credentials,
    expressions,
    limits,
    matchers,
    probes,
    routes,
    severities,
    time_intervals,
)
from bridge.config.advice.notes import Advice, Notes
from bridge.config.channel import ChannelTypes
from bridge.config.document import read_document
from bridge.config.faults import Fault
from bridge.config.secrets import resolve_secrets
from bridge.config.settings import file_model

__all__ = ["Advice", "advise"]

_TOPICS = (credentials, routes, matchers, severities, time_intervals, expressions, limits)


#: Given the operator's template folder, each channel's kind and what routes name: files there that replace nothing.
TemplateFiles = Callable[[Path, Mapping[str, str], Collection[str]], Iterable[str]]


def advise(
    path: Path | str,
    environ: Mapping[str, str],
    now: datetime,
    types: ChannelTypes,
    known: Iterable[Fault] = (),
    useless_templates: TemplateFiles = lambda folder, kinds, named: (),
) -> Advice:
    """known: the faults that reading it as settings has found. A file that cannot be read has no advice."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return Advice()
    document = read_document(text, environ)
    if not isinstance(document.data, dict):
        return Advice()
    resolve_secrets(document, Path(path).parent, file_model(types))
    notes = Notes(document, frozenset(fault.path for fault in known), now, types)
    for topic in _TOPICS:
        topic.look(notes)
    probes.look(notes, Path(path).parent)
    for kind in types:
        kind.checks.advise(notes)
    _templates(notes, Path(path).parent, useless_templates)
    return notes.advice()


def _templates(notes: Notes, folder: Path, useless: TemplateFiles) -> None:
    templates = notes.data.get("templates")
    if not isinstance(templates, str) or not (folder / templates).is_dir():
        return
    kinds = {name: str(channel.get("type")) for _, name, channel in notes.channels()}
    named = {str(route["template"]) for _, route in notes.routes() if "template" in route}
    for text in useless(folder / templates, kinds, named):
        message, _, hint = text.partition("; ")
        notes.warn(("templates",), message, hint)
