"""Compares what the channels show in the end with what was accepted. Pure: from sandbox state to counts.

Invariant: an alert that a channel shows otherwise than accepted is lost; duplicates are counted, as are messages that
contradict themselves, even if the latest one is right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CHANNELS = ("pagerduty", "slack", "email")
NAME = re.compile(r"Soak(\d{7})")
Seen = Counter[tuple[int, bool]]  #: by alert and whether it fires: how often a user was notified


@dataclass(frozen=True, slots=True)
class Shown:
    """One channel: `now`: whether it shows each alert as firing; `wrong`: how often it contradicts itself."""

    now: Mapping[int, bool]
    notified: Seen
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    lost: Mapping[str, int]
    doubled: Mapping[str, int]
    wrong: Mapping[str, int]
    unnotified: Mapping[str, int]  #: ended before any notification
    delivered: int  #: of all channels: alerts that they show as they were accepted

    @property
    def sound(self) -> bool:
        return not any((*self.lost.values(), *self.doubled.values(), *self.wrong.values()))


def verdict(state: Mapping[str, Any], accepted: Mapping[int, bool]) -> Verdict:
    """accepted: whether the last accepted state of each alert is firing."""
    shown = {"pagerduty": _pagerduty(state), "slack": _slack(state), "email": _email(state)}
    lost = {name: sum(each.now.get(number, False) is not fires for number, fires in accepted.items())
            for name, each in shown.items()}  # fmt: skip
    doubled = {name: sum(count - 1 for count in each.notified.values()) for name, each in shown.items()}
    wrong = {name: each.wrong for name, each in shown.items()}
    # What ended before it was sent needs no message, but is counted.
    unnotified = {name: sum(not fires and number not in each.now for number, fires in accepted.items())
               for name, each in shown.items()}  # fmt: skip
    delivered = len(CHANNELS) * len(accepted) - sum(lost.values()) - sum(unnotified.values())
    return Verdict(lost, doubled, wrong, unnotified, delivered)


def _pagerduty(state: Mapping[str, Any]) -> Shown:
    notified, now = Seen(), {}
    for incident in state["pagerduty"]["incidents"]:
        number = _number(incident["summary"])
        notified[number, True] += incident["pages"]
        now[number] = incident["status"] != "resolved"
    return Shown(now, notified)


def _slack(state: Mapping[str, Any]) -> Shown:
    """An edited message has one state; of several messages the last one counts."""
    messages = [each for channel in state["slack"]["channels"].values() for each in channel["messages"]]
    wrong = sum(map(_lacks_its_end, messages))
    return _read(((_number(str(each)), _fires(_words(each))) for each in messages), wrong)


def _lacks_its_end(message: Mapping[str, Any]) -> bool:
    """It was edited from firing to resolved, but its thread, which notifies followers, never said so."""
    if not message.get("edits") or _fires(_words(message)):
        return False
    return not any("ended" in reply["text"] for reply in message["thread"])


def _words(message: Mapping[str, Any]) -> str:
    attached = message["attachments"][0] if message["attachments"] else {}
    return str(message["text"] or attached.get("title") or attached.get("fallback") or "")


def _email(state: Mapping[str, Any]) -> Shown:
    """One entry a Message-ID, as a deduplicating mailbox shows them; a copy with another content is wrong."""
    mails = state["mail"]
    wrong = sum(mail["altered_copies"] for mail in mails)
    return _read(((_number(mail["subject"] + mail["text"]), _fires(_status(mail))) for mail in mails), wrong)


def _status(mail: Mapping[str, Any]) -> str:
    headers = dict(mail["headers"])
    return str(headers.get("X-Alert-Status", mail["subject"]))


def _fires(words: str) -> bool:
    return not words.lower().lstrip("[").startswith("resolved")


def _read(messages: Iterable[tuple[int, bool]], wrong: int) -> Shown:
    notified, now = Seen(), {}
    for number, fires in messages:
        notified[number, fires] += 1
        now[number] = fires
    return Shown(now, notified, wrong)


def _number(text: str) -> int:
    found = NAME.search(text)
    return int(found[1]) if found else -1
