"""The command that silences an incident's alerts in their Alertmanager, and the same as the address of its form. Pure.

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
_CLASSIC = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")  #: the names that every version of amtool takes as they are
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def silenced_labels(incident: Incident) -> Mapping[str, str]:
    """What the matchers of a silence name: the labels that the group is made by, or else what its alerts share.

    Empty when neither says anything: such a silence would silence everything, and Alertmanager refuses it.
    """
    made_by = incident.group_labels
    shared = common_labels([*incident.firing] or [*incident.alerts.values()])
    return next((labels for labels in (made_by, shared) if any(labels.values())), {})


def common_labels(alerts: Iterable[Alert]) -> dict[str, str]:
    every = list(alerts)
    first = every[0].labels if every else {}
    return {name: value for name, value in first.items() if all(each.labels.get(name) == value for each in every)}


def amtool_command(labels: Mapping[str, str], comment: str, alertmanager: str) -> str:
    """For a shell, on one line, whatever the labels hold. alertmanager: its address; empty when it is not known."""
    options = [f"--alertmanager.url={alertmanager}"] if alertmanager else []
    options += [f"--duration={DURATION}", f"--comment={one_line(comment)[:MAX_COMMENT]}"]
    return shlex.join(
        ["amtool", "silence", "add", *options, *(_matcher(name, labels[name]) for name in sorted(labels))]
    )


def silence_form(base: str, labels: Mapping[str, str]) -> str:
    """Of Alertmanager's own page, filled in; base: where that is."""
    return f"{base}/#/silences/new?filter={matcher_filter(labels)}"


def alert_list(base: str, labels: Mapping[str, str]) -> str:
    """Of Alertmanager's own page."""
    return f"{base}/#/alerts?filter={matcher_filter(labels)}"


def matcher_filter(labels: Mapping[str, str]) -> str:
    """As Alertmanager's own page parses it: JSON-quoted values, all percent-encoded, a space as %20.

    https://github.com/prometheus/alertmanager/blob/main/ui/app/src/Utils/Filter.elm
    """
    inner = ", ".join(f"{name}={json.dumps(clean(labels[name]), ensure_ascii=False)}" for name in sorted(labels))
    return quote("{" + inner + "}", safe="")


def _matcher(name: str, value: str) -> str:
    """`job="x"`; a name with other letters in quotes, as version 0.27 and newer take it."""
    shown = name if _CLASSIC.fullmatch(name) else _quoted(name)
    return f"{shown}={_quoted(value)}"


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPED)}"'
