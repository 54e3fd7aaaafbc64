"""The amtool command that silences an incident's alerts, and the URL of Alertmanager's form for it. Pure.

https://github.com/prometheus/alertmanager#amtool
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from bridge.core.model import Alert, Incident
from bridge.rendering.text import clean, one_line

DURATION = "2h"
MAX_COMMENT = 200
_CLASSIC = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")  #: names that every version of amtool accepts unquoted
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def silenced_labels(incident: Incident) -> Mapping[str, str]:
    """The labels for a silence's matchers: the group labels, or else the labels that its alerts share.

    Empty when there are neither: such a silence would match everything, and Alertmanager refuses it.
    """
    if any(incident.group_labels.values()):
        return incident.group_labels
    shared = common_labels(incident.firing or incident.alerts.values())
    return shared if any(shared.values()) else {}


def common_labels(alerts: Iterable[Alert]) -> dict[str, str]:
    every = list(alerts)
    first = every[0].labels if every else {}
    return {name: value for name, value in first.items() if all(each.labels.get(name) == value for each in every)}


def amtool_command(labels: Mapping[str, str], comment: str, alertmanager: str) -> str:
    """For a shell, on one line, whatever the labels contain. alertmanager: its URL; empty when unknown."""
    options = [f"--alertmanager.url={alertmanager}"] if alertmanager else []
    options += [f"--duration={DURATION}", f"--comment={one_line(comment)[:MAX_COMMENT]}"]
    return shlex.join(
        ["amtool", "silence", "add", *options, *(_matcher(name, labels[name]) for name in sorted(labels))]
    )


def silence_form(base: str, labels: Mapping[str, str]) -> str:
    """The URL of Alertmanager's silence form, filled in. base: the URL of its web interface."""
    return f"{base}/#/silences/new?filter={matcher_filter(labels)}"


def alert_list(base: str, labels: Mapping[str, str]) -> str:
    """The URL of Alertmanager's alert list. base: the URL of its web interface."""
    return f"{base}/#/alerts?filter={matcher_filter(labels)}"


def matcher_filter(labels: Mapping[str, str]) -> str:
    """The filter as Alertmanager's web interface parses it: JSON-quoted values, all percent-encoded, a space as %20.

    https://github.com/prometheus/alertmanager/blob/main/ui/app/src/Utils/Filter.elm
    """
    inner = ", ".join(f"{name}={json.dumps(clean(labels[name]), ensure_ascii=False)}" for name in sorted(labels))
    return quote("{" + inner + "}", safe="")


def _matcher(name: str, value: str) -> str:
    """`job="x"`; a name with other characters in quotes, as version 0.27 and newer accept it."""
    shown = name if _CLASSIC.fullmatch(name) else _quoted(name)
    return f"{shown}={_quoted(value)}"


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPED)}"'
