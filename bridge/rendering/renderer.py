"""Renders an incident into one Message for every channel, through templates that operators may replace.

Invariant 7: a template fault never silences an alert. A text that cannot be rendered is replaced by one that needs
no template, and the fault is reported through `on_fault`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bridge.core.facts import Measurements
from bridge.core.incidents.notices import state_word, status_word
from bridge.core.model import Incident
from bridge.core.numbers import in_words
from bridge.core.ports import Claim, Message
from bridge.core.recurrence import Recurrence
from bridge.core.timeline import Entry
from bridge.rendering import sample
from bridge.rendering.context_view import ContextView, view_of
from bridge.rendering.links import Addresses
from bridge.rendering.places import where_of
from bridge.rendering.plain import plain_body, plain_summary, subject_of
from bridge.rendering.recurrence import last_time
from bridge.rendering.tails import tails_of
from bridge.rendering.template_checks import template_faults
from bridge.rendering.templates import NAMES, TemplateSet, fault_text, template_sets
from bridge.rendering.text import clean, cut, one_line, pairs
from bridge.rendering.view import MAX_SUMMARY, fields_of, news_of, notes_of

MAX_TEXT = 60_000
MAX_HTML_BYTES = 90_000  # Gmail clips a mail at about 102 KB: https://github.com/hteumeuleu/email-bugs/issues/41
#: Rendered messages cached for the other channels of the same incident, which may lag in a storm; fewer when they
#: are long.
KEPT, KEPT_CHARACTERS = 1024, 1_000_000
OnFault = Callable[[str, str], None]
_Given = tuple[Incident, Measurements | None, Recurrence | None]


@dataclass(slots=True)
class _Rendered:
    """One incident and what is known of it, as some channels show it."""

    given: _Given
    view: Mapping[str, Any]
    plain: Message
    rich: Message | None = None  #: with HTML, once a channel needed it


class Renderer:
    """Templates are compiled once, here; `faults` counts errors since then.

    kinds: the kind of each channel by its name, for templates per kind.
    named: the template folders that routes name; choose returns an incident's.
    addresses: base URLs of links, besides the bridge's own pages.
    """

    def __init__(
        self,
        templates: Path | None,
        external_url: str | None,
        on_fault: OnFault | None = None,
        kinds: Mapping[str, str] | None = None,
        named: Iterable[str] = (),
        choose: Callable[[Incident], str | None] = lambda incident: None,
        addresses: Addresses | None = None,
    ) -> None:
        self._choose = choose
        given = addresses or Addresses()
        self._addresses = replace(given, bridge=external_url.rstrip("/") if external_url else None)
        self._on_fault = on_fault
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Rendered] = OrderedDict()
        self._characters = 0  # of their plain texts
        self.faults = 0
        self._general, self._special = template_sets(templates, kinds or {}, named)
        for each in {id(each): each for each in (self._general, *self._special.values())}.values():
            for name, fault in each.faults.items():
                self._fault(name, fault)

    def message(
        self,
        incident: Incident,
        claim: Claim,
        news: Sequence[Entry],
        context: Measurements | None = None,
        recurrence: Recurrence | None = None,
        *,
        html: bool,
    ) -> Message:
        """The message; channels that show the same share one rendering."""
        chosen = self._special.get((self._choose(incident) or "", claim.target.channel), self._general)
        loud = news_of(news, claim)
        key = (incident.number, id(chosen), claim.firing, loud)
        rendered = self._found(key)
        # each claim reads the incident again: mostly equal, but never identical
        given = (incident, context, recurrence)
        if rendered is None or rendered.given != given:
            rendered = self._rendered(chosen, given, claim, loud, notes_of(news))
            self._keep(key, rendered)
        if html and rendered.rich is None:
            rendered.rich = replace(rendered.plain, html=self._html(chosen, rendered.view))
        return rendered.rich if html and rendered.rich is not None else rendered.plain

    def _rendered(
        self, chosen: TemplateSet, given: _Given, claim: Claim, news: tuple[Entry, ...], notes: tuple[Entry, ...]
    ) -> _Rendered:
        incident, context, recurrence = given
        shown = fields_of(incident, claim, news, self._addresses, context)
        fields = {**shown, "context": context, "last_time": last_time(recurrence), "notes": notes}
        view = template_view(fields)
        summary = cut(one_line(self._text(chosen, "summary.txt", view)), MAX_SUMMARY) or plain_summary(view)
        view["summary"] = summary
        text = cut(clean(self._text(chosen, "body.txt", view)), MAX_TEXT).strip() or plain_body(view)
        return _Rendered(given, view, Message(**fields, summary=summary, text=text, html=""))

    def _found(self, key: Hashable) -> _Rendered | None:
        with self._lock:
            return self._kept.get(key)

    def _keep(self, key: Hashable, rendered: _Rendered) -> None:
        with self._lock:
            if key in self._kept:
                self._characters -= len(self._kept.pop(key).plain.text)
            self._kept[key] = rendered
            self._characters += len(rendered.plain.text)
            while len(self._kept) > KEPT or self._characters > KEPT_CHARACTERS:
                self._characters -= len(self._kept.popitem(last=False)[1].plain.text)

    def _html(self, chosen: TemplateSet, view: Mapping[str, Any]) -> str:
        """With fewer alerts, then fewer facts, if it would be clipped; empty (plain text only) if still too long."""
        alerts, facts, worst = view["alerts"], view["facts"], view["worst"]
        for most_alerts, most_facts in ((len(alerts), len(facts)), (10, len(facts)), (3, 20), (1, 8), (0, 0)):
            hidden = view["hidden"] + max(0, len(alerts) - most_alerts)
            fewer = {"alerts": alerts[:most_alerts], "hidden": hidden, "facts": facts[:most_facts]}
            fewer |= {"worst": worst[:most_facts], "rest": view["rest"][: max(0, most_facts - len(worst))]}
            fewer["after"], fewer["peaks"] = view["after"][:most_facts], view["peaks"][:most_facts]
            fewer["hidden_facts"] = max(0, len(facts) - most_facts)
            html = clean(self._text(chosen, "body.html", {**view, **fewer}))
            if len(html.encode()) <= MAX_HTML_BYTES:
                return html
        return ""

    def _text(self, chosen: TemplateSet, name: str, view: Mapping[str, Any]) -> str:
        try:
            return chosen.render(name, view)
        except Exception as error:  # a template can raise anything: arithmetic, types, recursion
            self._fault(name, fault_text(error))
            return ""

    def _fault(self, name: str, fault: str) -> None:
        with self._lock:
            self.faults += 1
        if self._on_fault is not None:
            self._on_fault(name, fault)


_WORDS = {"in_words": in_words, "status_word": status_word, "state_word": state_word, "pairs": pairs}
_CONTEXT_FIELDS = tuple(field.name for field in fields(ContextView) if field.name not in ("bad", "others"))


def template_view(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that templates may use, except `summary`: see docs/templates.md."""
    context = view_of(shown["context"], shown["started_at"], shown["component"])
    context_fields = {name: getattr(context, name) for name in _CONTEXT_FIELDS}
    context_fields["where"] = where_of(context.where, shown["alerts"])
    causes = tails_of(shown["context"], subject_of(shown)) if shown["firing"] else ()
    return {"last_time": "", "notes": (), **shown, **context_fields, "causes": causes, "hidden_facts": 0, **_WORDS}


def check_templates(folder: Path | None) -> Iterator[str]:
    """Every fault found by compiling, or by rendering a sample incident; `slack-ml/body.txt: ...`."""
    views = [_sample_view(resolved, known) for resolved in (False, True) for known in (False, True)]
    yield from template_faults(folder, views)


def _sample_view(resolved: bool, known: bool) -> dict[str, Any]:
    claim = sample.sample_claim(firing=not resolved)
    incident = sample.sample_incident(resolved=resolved)
    shown = fields_of(incident, claim, tuple(sample.sample_news()), Addresses("https://bridge.example"))
    shown |= {"last_time": last_time(sample.sample_recurrence() if known else None), "notes": sample.sample_notes()}
    view = template_view({**shown, "context": sample.sample_context() if known else None})
    return {**view, "summary": plain_summary(view)}


__all__ = ["MAX_HTML_BYTES", "NAMES", "Renderer", "check_templates"]
