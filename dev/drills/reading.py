"""What responders were told of one incident: read from what reached the vendors' stand-ins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dev.drills.site import Json

SHOWN = 60  #: characters of the cause that no channel leaves out
SENTENCE = re.compile(r"(?<=[.:!?]) ")
NUMBER = re.compile(r"\d[\d,.]*")
SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Said:
    """The cause as the API has it (empty: none was named), and all texts by channel."""

    cause: str
    rule: str
    confidence: str
    summary: str
    facts: tuple[Json, ...]
    messages: dict[str, str]

    @property
    def line(self) -> str:
        return f"{self.cause} [{self.rule}]" if self.cause else ""

    def shown_in(self) -> list[str]:
        """The channels whose message names the cause, or rightly none. Their numbers may be a moment older."""
        words = NUMBER.sub("0", plain(self.cause))[:SHOWN]
        return [channel for channel, text in self.messages.items() if words in NUMBER.sub("0", plain(text))]

    def everything(self, without: Iterable[str] = ()) -> str:
        """All messages on one line, without the sentences of these texts."""
        text = plain("\n".join(self.messages.values()))
        for each in without:
            for sentence in SENTENCE.split(plain(each)):
                text = text.replace(sentence, " ") if sentence else text
        return text


def said(incident: Json, state: Json) -> Said:
    """incident: as the API shows it. state: the sandbox's."""
    measured = incident.get("measured") or {}
    shown = measured.get("during") or measured  # of one that is over, the messages show what was measured before
    cause, page = shown.get("hypothesis") or {}, _page(incident, state)
    summary = str(page.get("summary", ""))
    return Said(
        str(cause.get("text", "")),
        str(cause.get("rule", "")),
        str(cause.get("confidence", "")),
        summary,
        tuple(shown.get("facts", ())),
        {
            "PagerDuty": "\n".join((summary, *_strings(page.get("custom_details")))),
            "Slack": "\n".join(_slack(incident, state)),
            "mail": _mail(incident, state),
        },
    )


def _page(incident: Json, state: Json) -> Json:
    """The last time that the phone rang."""
    pages = [each for each in state["pagerduty"]["incidents"] if each["dedup_key"] == incident["dedup_key"]]
    return dict(pages[-1]) if pages else {}


def _slack(incident: Json, state: Json) -> Iterator[str]:
    for channel in state["slack"]["channels"].values():
        for message in channel["messages"]:
            payload = (message["metadata"] or {}).get("event_payload", {})
            if str(payload.get("delivery_id", "")).startswith(f"{incident['uid']}:"):
                for part in (message, *message["thread"]):
                    yield str(part["text"])
                    yield from _strings([part["blocks"], part["attachments"]])


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
    return SPACE.sub(" ", re.sub(r"[*`~]|&(?:amp|lt|gt);", "", text)).strip()
