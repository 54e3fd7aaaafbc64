"""Who sends a request: a login's person, a token's, or a user of this machine; and what their role lets them do."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from flask import Request, abort, g

from bridge.config.access import ApiTokenSettings, name_of, person_of
from bridge.config.secret_files import UnreadableSecret, read_secret
from bridge.config.settings import Settings
from bridge.core.roles import Role
from bridge.observability import logs

log = logs.get(__name__)
THIS_MACHINE = "this machine"


@dataclass(frozen=True, slots=True)
class User:
    """The sender of a request that was let in. identified: by a login or token; else by this machine alone."""

    name: str
    role: Role
    identified: bool


def token_given(req: Request) -> str | None:
    """The bearer token of a request; None if it has none."""
    scheme, _, token = req.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def matching_token(settings: Settings, given: str) -> ApiTokenSettings | None:
    """Every token is compared, in constant time."""
    digest = _sha256(given)
    found = [each for each in settings.web.tokens if hmac.compare_digest(_hash_of(each), digest)]
    return found[0] if found and given else None


def let_in(user: User) -> None:
    """Say who sends the current request, once: what lets it in says whose rights it has, whatever is reloaded then."""
    g.user = user


def by_token(settings: Settings, token: ApiTokenSettings) -> User:
    return User(name_of(settings.people, token.name), token.role, identified=True)


def by_login(settings: Settings, login: str) -> User:
    person = person_of(settings.people, login)
    return User(person.name, person.role, True) if person else User(login, Role.ADMIN, identified=True)


def by_this_machine() -> User:
    return User(THIS_MACHINE, Role.ADMIN, identified=False)


def refuse_below(needed: Role) -> User:
    """The user of the current request, which Logins.demand let in; 403 if their role does not suffice."""
    user: User = g.user
    if not user.role.includes(needed):
        abort(403, f"{user.name} has the role {user.role}, and this needs {needed}: routes.yaml says who has which")
    return user


def _hash_of(token: ApiTokenSettings) -> str:
    """Empty, which no digest is, while its file cannot be read."""
    if token.hash is not None:
        return token.hash
    if token.token_file is None:
        return _sha256(token.token.get_secret_value()) if token.token else ""
    try:
        secret = read_secret(token.token_file)
    except UnreadableSecret as fault:
        log.error("token_file_unreadable", token=token.name, fault=str(fault))
        return ""
    return _sha256(secret) if secret else ""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
