"""What is odd about Slack channels in routes.yaml. Nothing of a token's value is ever shown.

https://api.slack.com/concepts/token-types
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult

from bridge.config.advice.credentials import misplaced
from bridge.config.advice.notes import Notes
from bridge.config.checks import channels_of
from bridge.config.document import Document
from bridge.config.faults import Fault, Path
from bridge.config.vendor_checks import Misfit, address_warnings, at_path

#: An id can be read from, a name cannot.
CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{6,}")
_POSTABLE_ID = re.compile(r"[CGDUW][A-Z0-9]{6,}")
_METHOD = re.compile(r"(?P<base>.*?)/(?P<method>[a-z]+(\.[A-Za-z]+)+)/*")
_BOT = "make a bot token (xoxb-...) with chat:write, and invite the bot into the channel"
#: how a token begins -> whether it can never work, what it is
_TOKENS = (
    ("xoxb-", False, ""),
    ("xapp-", True, "an app-level token, which cannot post"),
    ("xoxe-", True, "a refresh token, which cannot post"),
    ("xoxp-", False, "a user's token: messages come in that user's name, and end with the account"),
    ("xoxe.", False, "a token that ends after 12 hours: token rotation is on for this app"),
    ("xox", False, "no bot token"),
    ("", False, "no token of Slack's, which begin with xoxb-"),
)


def warnings(document: Document) -> Iterator[Fault]:
    for path, _, channel in channels_of(document, "slack"):
        yield from address_warnings(document, (*path, "base_url"), channel.get("base_url"), _misfit)
        to = channel.get("channel")
        if isinstance(to, str) and not CHANNEL_ID.fullmatch(to):
            message = "a channel by name: after a restart, a message whose answer was lost may be posted twice"
            hint = "Slack lets a message be looked up by the channel's id only: write that (C012ABCDEF)"
            yield document.place((*path, "channel"), message, hint)


def advise(notes: Notes) -> None:
    first: dict[tuple[str, ...], str] = {}
    for path, name, channel in channels_of(notes.document, "slack"):
        token, to = channel.get("token"), channel.get("channel")
        if isinstance(token, str) and not misplaced(notes, (*path, "token"), token, _BOT):
            _look_at_token(notes, (*path, "token"), token)
        if not isinstance(to, str):
            continue
        _look_at_channel(notes, (*path, "channel"), to)
        target = (str(token), to.lstrip("#"), str(channel.get("base_url")))
        if first.setdefault(target, name) != name:
            message = f"the same place in Slack as {first[target]}: its members read everything twice"
            notes.warn((*path, "channel"), message, "keep one of the two channels")


def _look_at_token(notes: Notes, path: Path, token: str) -> None:
    never, what = next((never, what) for start, never, what in _TOKENS if token.startswith(start))
    if what:
        (notes.fault if never else notes.warn)(path, f"this is {what}", _BOT)


def _look_at_channel(notes: Notes, path: Path, text: str) -> None:
    """Slack's names have neither capitals nor spaces: https://slack.com/help/articles/201402297-Create-a-channel"""
    link = re.search(r"/archives/([CGD][A-Z0-9]{6,})", text)
    if link:
        notes.fault(path, "a link is no channel", f"write the id in it: {link[1]}")
    elif not _POSTABLE_ID.fullmatch(text) and (text != text.lower() or re.search(r"[\s.,:/]", text) or len(text) > 81):
        hint = "write its id (C012ABCDEF): it is at the end of the channel's details in Slack"
        notes.fault(path, f"{text!r} is no name that Slack gives a channel", hint)


def _misfit(parts: SplitResult) -> Misfit | None:
    host = str(parts.hostname)
    if host == "hooks.slack.com":
        message = "is an incoming webhook, which can neither edit a message nor reply in its thread"
        return Misfit(message, "https://slack.com/api/, and a bot token (xoxb-...) as token")
    method = _METHOD.fullmatch(parts.path)
    if method is not None:
        right = at_path(parts, f"{method['base']}/")
        return Misfit(f"ends in /{method['method']}, a method that the bridge adds itself", right)
    if host.endswith("slack.com") and parts.path in ("", "/"):
        return Misfit("has no /api/ in it, where Slack's methods are", at_path(parts, "/api/"))
    return None
