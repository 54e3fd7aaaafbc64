"""Renders an incident for people: one Message behind every channel, through templates that may be replaced.

Law 7: a template fault never silences an alert. A text that cannot be rendered is replaced by one that needs
no template, and the fault is reported through `on_fault`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from bridge.core.facts import Context
from bridge.core.model import Entry, Incident
from bridge.core.numbers import in_words
from bridge.core.ports import Claim, Message
from bridge.rendering import sample
from bridge.rendering.text import clean, cut, one_line
from bridge.rendering.view import MAX_SUMMARY, fields_of, plain_summary

BUILT_IN = Path(__file__).with_name("templates")
NAMES = ("summary.txt", "body.txt", "body.html")
MAX_TEXT = 60_000
MAX_HTML_BYTES = 90_000  # Gmail clips a mail at about 102 KB: https://github.com/hteumeuleu/email-bugs/issues/41
OnFault = Callable[[str, str], None]


class Renderer:
    """Templates are compiled once, here; `faults` counts what went wrong since."""

    def __init__(self, templates: Path | None, external_url: str | None, on_fault: OnFault | None = None) -> None:
        self._external_url = external_url
        self._on_fault = on_fault
        self._lock = threading.Lock()
        self.faults = 0
        environment = environment_of(templates)
        self._templates = {name: self._compiled(environment, name) for name in NAMES}

    def message(
        self, incident: Incident, claim: Claim, news: Sequence[Entry], context: Context | None = None, *, html: bool
    ) -> Message:
        fields = {**fields_of(incident, claim, news, self._external_url), "context": context}
        view: dict[str, Any] = {**fields, "in_words": in_words}
        summary = cut(one_line(self._text("summary.txt", view)), MAX_SUMMARY) or plain_summary(fields)
        view["summary"] = summary
        text = cut(clean(self._text("body.txt", view)), MAX_TEXT).strip() or plain_body(fields, summary)
        shown = self._html(view) if html else ""
        return Message(**fields, summary=summary, text=text, html=shown)

    def _html(self, view: Mapping[str, Any]) -> str:
        """With fewer alerts if it would be clipped; empty, so plain text only, if it still would be."""
        alerts = view["alerts"]
        for shown in (len(alerts), 10, 3, 0):
            hidden = view["hidden"] + max(0, len(alerts) - shown)
            html = clean(self._text("body.html", {**view, "alerts": alerts[:shown], "hidden": hidden}))
            if len(html.encode()) <= MAX_HTML_BYTES:
                return html
        return ""

    def _text(self, name: str, view: Mapping[str, Any]) -> str:
        template = self._templates[name]
        try:
            return template.render(view) if template is not None else ""
        except Exception as error:  # a template can raise anything: arithmetic, types, recursion
            self._fault(name, error)
            return ""

    def _compiled(self, environment: SandboxedEnvironment, name: str) -> Template | None:
        try:
            return environment.get_template(name)
        except Exception as error:
            self._fault(name, error)
            return None

    def _fault(self, name: str, error: Exception) -> None:
        with self._lock:
            self.faults += 1
        if self._on_fault is not None:
            self._on_fault(name, _told(error))


def environment_of(folder: Path | None) -> SandboxedEnvironment:
    """The operator's templates before the built-in ones; sandboxed: a template is not meant to be a program."""
    folders: list[BaseLoader] = [FileSystemLoader(each) for each in (folder, BUILT_IN) if each is not None]
    return SandboxedEnvironment(
        loader=ChoiceLoader(folders),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def plain_body(fields: Mapping[str, Any], summary: str) -> str:
    """Needs no template and cannot fail."""
    lines = [summary, "", f"{fields['title']} (incident {fields['number']}, {fields['severity']})"]
    lines += [f"- [{line.status}] {line.name} {line.summary}".rstrip() for line in fields["alerts"]]
    lines += [f"({fields['hidden']} more alerts are not shown)"] if fields["hidden"] else []
    lines += [f"{link.text}: {link.href}" for link in fields["links"]]
    lines += [fields["incident_url"]] if fields["incident_url"] else []
    return "\n".join(lines)


def check_templates(folder: Path | None) -> Iterator[str]:
    """Every fault that compiling, or rendering a sample incident, shows."""
    environment = environment_of(folder)
    for name in NAMES:
        for resolved in (False, True):
            try:
                environment.get_template(name).render(_sample_view(resolved))
            except Exception as error:
                yield f"{name}: {_told(error)}"
                break


def _sample_view(resolved: bool) -> dict[str, Any]:
    claim = sample.sample_claim(firing=not resolved)
    incident = sample.sample_incident(resolved=resolved)
    fields = fields_of(incident, claim, sample.sample_news(), "https://bridge.example")
    return {**fields, "context": None, "in_words": in_words, "summary": plain_summary(fields)}


def _told(error: Exception) -> str:
    line = getattr(error, "lineno", None) if isinstance(error, TemplateError) else None
    return f"{type(error).__name__}{f' in line {line}' if line else ''}: {one_line(error)}"[:300]
