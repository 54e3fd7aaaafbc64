"""The settings of `people` and `web`: who may read and act, and by which names they are known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, SecretStr

from bridge.config.document import Document
from bridge.config.faults import Path, format_path
from bridge.config.fields import (
    FROZEN,
    Address,
    Line,
    Networks,
    PasswordHash,
    SecretFile,
    Section,
    checked,
    described,
)
from bridge.core.roles import Role
from bridge.core.routing.time_intervals import zone

_TOKEN_HASH = re.compile(r"[0-9a-f]{64}")
_WAYS = ("hash", "token", "token_file")
_OWN = ("login", "email", "slack", "pagerduty")  #: of one person alone


def check_token_hash(text: str) -> None:
    if not _TOKEN_HASH.fullmatch(text):
        raise ValueError("this is no SHA-256 in hex; `printf %s TOKEN | sha256sum` makes one")


class PersonSettings(Section):
    """One person, and the names under which the bridge meets them."""

    name: Annotated[Line, Field(max_length=200)]
    """As the timeline and messages name them."""
    login: Line | None = None
    """Their name in web.users, of a token, or on the machine where they use the command line."""
    email: Address | None = None
    """Their mail address."""
    slack: Annotated[str, Field(pattern=r"^[UW][A-Z0-9]+$", max_length=50)] | None = None
    """Their Slack user id, such as U012AB3CD."""
    pagerduty: Annotated[str, Field(pattern=r"^[A-Z0-9]+$", max_length=50)] | None = None
    """Their PagerDuty user id, such as PXPGF42."""
    time_zone: Annotated[str, checked(zone), described("Europe/Berlin", "an IANA time zone")] | None = None
    """Their time zone."""
    role: Role = Role.ADMIN
    """Of their login: viewer, responder or admin."""


class ApiTokenSettings(Section):
    """What a program sends as `Authorization: Bearer` to the API; exactly one of hash, token and token_file."""

    name: Annotated[Line, Field(max_length=200)]
    """Who acts with it, in the timeline; a person's login stands for that person."""
    role: Role
    """viewer reads, responder acts on incidents, admin reloads too."""
    hash: Annotated[str, checked(check_token_hash), described("9f86d081…", "SHA-256 in hex")] | None = None
    """The token's SHA-256 in hex, which may stand in the file; for a long random token only."""
    token: SecretStr | None = None
    """Instead: the token, ${NAME} of a variable."""
    token_file: SecretFile | None = None
    """Instead: a file with the token, read at each use."""


class WebSettings(Section):
    users: Annotated[Mapping[str, PasswordHash], FROZEN] = Field(default={}, validate_default=True)
    """Who may log in: name, and the hash that `bridge hash-password` makes."""
    tokens: tuple[ApiTokenSettings, ...] = ()
    """What programs send to the API instead of a login."""
    trusted_proxies: Annotated[tuple[Networks, ...], Field(max_length=100)] = ()
    """Addresses and ranges whose Forwarded and X-Forwarded-* headers are believed; 127.0.0.1 for an nginx beside it."""


def person_of(people: Sequence[PersonSettings], login: str) -> PersonSettings | None:
    return next((each for each in people if each.login == login), None)


def name_of(people: Sequence[PersonSettings], login: str) -> str:
    """As the timeline names who logs in so."""
    person = person_of(people, login)
    return person.name if person is not None else login


def check_access(document: Document, people: list[Any], tokens: list[Any]) -> None:
    """As in checks.py, data may have any shape."""
    for key in _OWN:
        _check_own(document, people, key)
    for index, token in enumerate(tokens):
        if isinstance(token, dict):
            _check_way(document, ("web", "tokens", index), [way for way in _WAYS if token.get(way)])


def _check_own(document: Document, people: list[Any], key: str) -> None:
    first: dict[str, int] = {}
    for index, value in _values(people, key):
        if first.setdefault(value, index) != index:
            hint = f"{format_path(('people', first[value]))} has it too; it belongs to one person"
            document.fault(("people", index, key), f"the {key} {value!r} is taken", hint)


def _values(people: list[Any], key: str) -> Iterator[tuple[int, str]]:
    for index, person in enumerate(people):
        value = person.get(key) if isinstance(person, dict) else None
        if isinstance(value, str):
            yield index, value.lower() if key == "email" else value


def _check_way(document: Document, path: Path, ways: list[str]) -> None:
    if len(ways) > 1:
        document.fault((*path, ways[1]), f"there is a {ways[0]} too", "keep one of the two")
    elif not ways and not any(bad[: len(path)] == path for bad in document.faulty):
        hint = "write hash: its SHA-256 in hex, token: ${NAME_OF_A_VARIABLE} or token_file: a/path"
        document.fault(path, "the token itself is missing", hint)
