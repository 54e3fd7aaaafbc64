"""What people see in the end, against what was accepted. Pure: the sandbox's state comes in, counts come out.

Invariant: a channel that shows an alert otherwise than it was accepted has lost it; what is seen twice counts; and so
does what contradicts itself, though its latest word is right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CHANNELS = ("pagerduty", "slack", "email")
NAME = re.compile(r"Soak(\d{7})")
Seen = Counter[tuple[int, bool]]  #: by alert and whether it fires: how often a person was told so


@dataclass(frozen=True, slots=True)
class Shown:
    """One channel: `now` has what it says of each alert, whether it fires; `wrong` how often it contradicts itself."""

    now: Mapping[int, bool]
    told: Seen
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    lost: Mapping[str, int]
    doubled: Mapping[str, int]
    wrong: Mapping[str, int]
    unheard: Mapping[str, int]  #: ended before anybody was told, and nobody is
    delivered: int  #: of all channels: alerts that they show as they were accepted

    @property
    def sound(self) -> bool:
        return not any((*self.lost.values(), *self.doubled.values(), *self.wrong.values()))


def verdict(state: Mapping[str, Any], accepted: Mapping[int, bool]) -> Verdict:
    """accepted: of each alert whether the last that was accepted of it says that it fires."""
    shown = {"pagerduty": _pagerduty(state), "slack": _slack(state), "email": _email(state)}
    lost = {name: sum(each.now.get(number, False) is not fires for number, fires in accepted.items())
            for name, each in shown.items()}  # fmt: skip
    doubled = {name: sum(count - 1 for count in each.told.values()) for name, each in shown.items()}
    wrong = {name: each.wrong for name, each in shown.items()}
    # Nobody needs a word of what ended unnotified of it; how often that was must be seen all the same.
    unheard = {name: sum(not fires and number not in each.now for number, fires in accepted.items())
               for name, each in shown.items()}  # fmt: skip
    delivered = len(CHANNELS) * len(accepted) - sum(lost.values()) - sum(unheard.values())
    return Verdict(lost, doubled, wrong, unheard, delivered)


def _pagerduty(state: Mapping[str, Any]) -> Shown:
    told, now = Seen(), {}
    for incident in state["pagerduty"]["incidents"]:
        number = _number(incident["summary"])
        told[number, True] += incident["pages"]
        now[number] = incident["status"] != "resolved"
    return Shown(now, told)


def _slack(state: Mapping[str, Any]) -> Shown:
    """A message that is edited says one thing; so does each of several messages. The last one counts."""
    messages = [each for channel in state["slack"]["channels"].values() for each in channel["messages"]]
    wrong = sum(map(_lacks_its_end, messages))
    return _read(((_number(str(each)), _fires(_words(each))) for each in messages), wrong)


def _lacks_its_end(message: Mapping[str, Any]) -> bool:
    """It was edited from firing to resolved, and its thread, which rings for those who follow it, never said so."""
    if not message.get("edits") or _fires(_words(message)):
        return False
    return not any("ended" in reply["text"] for reply in message["thread"])


def _words(message: Mapping[str, Any]) -> str:
    attached = message["attachments"][0] if message["attachments"] else {}
    return str(message["text"] or attached.get("title") or attached.get("fallback") or "")


def _email(state: Mapping[str, Any]) -> Shown:
    """One entry a Message-ID, as a mailbox that knows its mails shows them; a copy with other words is wrong."""
    mails = state["mail"]
    wrong = sum(mail["altered_copies"] for mail in mails)
    return _read(((_number(mail["subject"] + mail["text"]), _fires(_status(mail))) for mail in mails), wrong)


def _status(mail: Mapping[str, Any]) -> str:
    headers = dict(mail["headers"])
    return str(headers.get("X-Alert-Status", mail["subject"]))


def _fires(words: str) -> bool:
    return not words.lower().lstrip("[").startswith("resolved")


def _read(messages: Iterable[tuple[int, bool]], wrong: int) -> Shown:
    told, now = Seen(), {}
    for number, fires in messages:
        told[number, fires] += 1
        now[number] = fires
    return Shown(now, told, wrong)


def _number(text: str) -> int:
    found = NAME.search(text)
    return int(found[1]) if found else -1
