"""What responders were told of one incident: read from what reached the vendors' stand-ins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dev.drills.site import Json

SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Said:
    """The cause as the machine-readable message has it (empty: none was named), and all texts by channel."""

    cause: str
    rule: str
    confidence: str
    summary: str
    facts: tuple[Json, ...]
    messages: dict[str, str]

    @property
    def line(self) -> str:
        return f"{self.cause} [{self.rule}]" if self.cause else ""

    def everything(self, without: Iterable[str] = ()) -> str:
        """All messages on one line, without these texts."""
        text = plain("\n".join(self.messages.values()))
        for each in sorted((plain(each) for each in without), key=len, reverse=True):
            text = text.replace(each, " ") if each else text
        return text


def said(incident: Json, state: Json) -> Said:
    """incident: as the API shows it. state: the sandbox's."""
    context = _newest(incident, state).get("context") or {}
    hypothesis = context.get("hypothesis") or {}
    page = _page(incident, state)
    details = page.get("custom_details") or {}
    return Said(
        str(hypothesis.get("text", "")),
        str(hypothesis.get("rule") or details.get("rule") or ""),
        str(hypothesis.get("confidence", "")),
        str(page.get("summary", "")),
        tuple(context.get("facts", ())),
        {
            "PagerDuty": "\n".join((str(page.get("summary", "")), *_strings(details))),
            "Slack": "\n".join(_slack(incident, state)),
            "mail": _mail(incident, state),
        },
    )


def _newest(incident: Json, state: Json) -> Json:
    bodies = [each["body"]["incident"] for each in state["webhook"]["deliveries"]]
    mine: list[Json] = [each for each in bodies if each["uid"] == incident["uid"]]
    return max(mine, key=lambda each: int(each["revision"]), default={})


def _page(incident: Json, state: Json) -> Json:
    """The last time that the phone rang."""
    pages = [each for each in state["pagerduty"]["incidents"] if each["dedup_key"] == incident["dedup_key"]]
    return dict(pages[-1]) if pages else {}


def _slack(incident: Json, state: Json) -> Iterator[str]:
    for channel in state["slack"]["channels"].values():
        for message in channel["messages"]:
            payload = (message["metadata"] or {}).get("event_payload", {})
            if str(payload.get("delivery_id", "")).startswith(f"{incident['uid']}:"):
                yield str(message["text"])
                yield from _strings(message.get("blocks"))
                yield from _strings(message.get("replies"))


def _mail(incident: Json, state: Json) -> str:
    """The last one."""
    number = str(incident["number"])
    mine = [each for each in state["mail"] if dict(each["headers"]).get("X-Alert-Incident") == number]
    return f"{mine[-1]['subject']}\n{mine[-1]['text']}" if mine else ""


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, str) and not re.fullmatch(r"[a-z_]*", name):
                yield f"{name}: {each}"  # a fact by its title
            else:
                yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def plain(text: str) -> str:
    """For comparisons: one line without marks of Slack's and mail's formats."""
    return SPACE.sub(" ", re.sub(r"[*_`~]|&(?:amp|lt|gt);", "", text)).strip()
