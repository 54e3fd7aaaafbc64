"""What is odd about PagerDuty channels in routes.yaml. Nothing of a key's value is ever shown.

Routing keys: Events API v2, "should be 32 characters".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult

from bridge.config.advice.credentials import misplaced
from bridge.config.advice.notes import Notes
from bridge.config.checks import channels_of, mapping, sequence
from bridge.config.document import Document
from bridge.config.faults import Fault, Path
from bridge.config.vendor_checks import Misfit, address_warnings, at_path

_PATH = re.compile(r"/v2(/change)?(/enqueue)?/*|/generic/.*")
_INTEGRATION = "take the Integration Key of an Events API v2 integration of the service"


def warnings(document: Document) -> Iterator[Fault]:
    for path, _, channel in channels_of(document, "pagerduty"):
        yield from address_warnings(document, (*path, "base_url"), channel.get("base_url"), _misfit)
    yield from _shared_dedup_keys(document)


def advise(notes: Notes) -> None:
    first: dict[str, str] = {}
    for path, name, channel in channels_of(notes.document, "pagerduty"):
        key, here = channel.get("routing_key"), (*path, "routing_key")
        if not isinstance(key, str):
            continue
        if not misplaced(notes, here, key, _INTEGRATION):
            _look_at_key(notes, here, key, change_events=channel.get("change_events", True) not in (False, "false"))
        if first.setdefault(key, name) != name:
            message = f"the same key as {first[key]}: what one of them resolves is resolved for the other"
            notes.warn(here, message, "keep one channel, or make another integration")


def _look_at_key(notes: Notes, path: Path, key: str, *, change_events: bool) -> None:
    if len(key) != 32 or not key.isalnum():
        seen = f"{len(key)} characters" if len(key) != 32 else "characters that are neither letters nor digits"
        message = f"this is no routing key: it has {seen}, and PagerDuty's have 32 letters and digits"
        notes.warn(path, message, _INTEGRATION)
    elif key.startswith("R") and change_events:
        message = "a key of an orchestration (it begins with R) takes no change events, so none are sent"
        notes.warn(path, message, "write change_events: false, or take the key of a service's integration")


def _misfit(parts: SplitResult) -> Misfit | None:
    host = str(parts.hostname)
    if host.endswith("pagerduty.com") and not host.startswith("events."):
        right = f"https://events.{'eu.' if '.eu.' in host else ''}pagerduty.com"
        return Misfit(f"{host} takes no events", right)
    found = _PATH.fullmatch(parts.path) or re.fullmatch(r"(.*)/v2(/change)?/enqueue/*", parts.path)
    if found is None:
        return None
    base = parts.path.partition("/v2")[0] if "/v2" in parts.path else ""
    return Misfit(f"ends in {parts.path[len(base) :]}, and the bridge adds /v2/enqueue itself", at_path(parts, base))


def _shared_dedup_keys(document: Document) -> Iterator[Fault]:
    plain = [
        index
        for index, source in enumerate(map(mapping, sequence(mapping(document.data).get("sources"))))
        if source.get("type", "alertmanager") == "alertmanager" and source.get("dedup_key", "group") == "group"
    ]
    names = [name for _, name, _ in channels_of(document, "pagerduty")]
    if len(plain) > 1 and names:
        shared = f"{len(plain)} Alertmanagers share {', '.join(names)}"
        message = f"{shared}: equal groups become one PagerDuty incident"
        hint = "right for a high-availability pair; else set dedup_key: source_and_group"
        yield document.place(("sources", plain[1]), message, hint)
