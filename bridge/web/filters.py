"""Template filters for times, counts, labels and links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from flask import Blueprint
from markupsafe import Markup, escape

from bridge.core.incidents.notices import state_word, status_word
from bridge.core.incidents.periods import firing_period
from bridge.rendering.recurrence import how_it_ended, how_often, lasted
from bridge.rendering.text import clean, labelled

#: Where a long name may be broken; a number such as 7.3, 20,000 or 14:02 never is.
_JOINTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[_./:,-])(?<!\d[.,:-])(?=\w)|(?<=\d[.,:-])(?=[^\W\d])")
_COMMAND = re.compile(r"`([^`]+)`")


def add_filters(routes: Blueprint) -> None:
    """For every template of the application."""
    routes.add_app_template_filter(safe_link)
    routes.add_app_template_filter(span)
    routes.add_app_template_filter(firing_period, "period")
    routes.add_app_template_filter(moment)
    routes.add_app_template_filter(thousands)
    routes.add_app_template_filter(label_texts)
    routes.add_app_template_filter(breakable)
    routes.add_app_template_filter(with_commands)
    routes.add_app_template_filter(state_word)
    routes.add_app_template_filter(status_word)
    for describing in (how_often, how_it_ended, lasted):
        routes.add_app_template_filter(describing)


def safe_link(value: str) -> str:
    """The URL if it is safe to link to, else an empty text."""
    value = value.strip()
    if any(letter.isspace() for letter in value) or not value.isprintable():
        return ""
    try:
        parts = urlsplit(value)
        return value if parts.scheme.lower() in {"http", "https"} and parts.hostname else ""
    except ValueError:
        return ""


def span(start: datetime, end: datetime) -> str:
    """The duration in its two largest units: 3 d 4 h."""
    seconds = max(0, int((end - start).total_seconds()))
    amounts = (("d", seconds // 86400), ("h", seconds // 3600 % 24), ("min", seconds // 60 % 60))
    parts = [f"{amount} {unit}" for unit, amount in amounts if amount]
    return " ".join(parts[:2]) or f"{seconds} s"


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def thousands(count: int) -> str:
    """20,000."""
    return f"{count:,}"


def label_texts(labels: Mapping[str, str]) -> list[str]:
    """`team="x"`, by name."""
    return [labelled(name, labels[name]) for name in sorted(labels)]


def breakable(name: str) -> Markup:
    """A name with line breaks allowed between its words, `High|Latency|Of|Api`."""
    return Markup("<wbr>").join(_JOINTS.split(clean(name)))


def with_commands(text: str) -> Markup:
    """Text between backticks as <code>."""
    parts = _COMMAND.split(clean(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(each) if at % 2 else escape(each) for at, each in enumerate(parts)
    )
