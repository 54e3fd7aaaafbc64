"""Secrets: they come from the environment or from a file of their own, never from routes.yaml itself.

Invariant: nothing here puts a secret, or what looks like one, into a fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from bridge.config.document import Document
from bridge.config.faults import Path
from bridge.config.secret_files import bare, read_secret

_ONE_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
#: channel type -> its secret, and whether it cannot do without
_CHANNEL_SECRETS = {
    "pagerduty": ("routing_key", True),
    "slack": ("token", True),
    "email": ("password", False),
}


def resolve_secrets(document: Document, folder: FilePath, *, read_files: bool = True) -> None:
    """Check where each secret comes from, and put the content of *_file in its place, or a stand-in."""
    for path, holder, key, required in _places(document.data):
        if not read_files and f"{key}_file" in holder and key not in holder:
            del holder[f"{key}_file"]
            document.raw[*path, key] = "${STAND_IN}"
            holder[key] = _stand_in((*path, key))
        _resolve(document, folder, path, holder, key, required)
    for path, holder in _token_lists(document.data):
        for index, token in enumerate(holder["tokens"]):
            if _from_environment(document, (*path, "tokens", index), token):
                holder["tokens"][index] = _clean(document, (*path, "tokens", index), token)


def stand_ins(document: Document, environ: Mapping[str, str]) -> dict[str, str]:
    """A value for each variable that is not set and holds nothing but a secret, for who does not need it."""
    found: dict[str, str] = {}
    for path, raw in document.raw.items():
        name = raw.strip()[2:-1]
        if _ONE_VARIABLE.fullmatch(raw) and not environ.get(name) and _is_secret(document.data, path):
            found[name] = _stand_in(path)
    return found


def _is_secret(data: Any, path: Path) -> bool:
    hashes = path[:2] == ("web", "users")  # no secrets to the log, but as little known to who runs a command
    return hashes or any(path[: len(secret)] == secret for secret in secret_paths(data))


def _stand_in(path: Path) -> str:
    """Of a kind that stands where it stands; it is sent to nobody."""
    if path[:2] == ("web", "users"):
        return "scrypt:1:1:1$stand-in$00"
    return "https://stand-in.invalid" if path[-1] == "url" else "stand-in"


def secret_paths(data: Any) -> Iterator[Path]:
    """Where secrets stand, for whoever must not show what is there."""
    for path, _, key, _ in _places(data):
        yield (*path, key)
    for path, _ in _token_lists(data):
        yield (*path, "tokens")


def _places(data: Any) -> Iterator[tuple[Path, dict[str, Any], str, bool]]:
    for name, channel in _mapping(_mapping(data).get("channels")).items():
        kind = _mapping(channel).get("type")
        if isinstance(kind, str) and kind in _CHANNEL_SECRETS:
            yield ("channels", name), channel, *_CHANNEL_SECRETS[kind]
    for path, source in _sources(data):
        if isinstance(source.get("basic_auth"), dict):
            yield (*path, "basic_auth"), source["basic_auth"], "password", True
        yield from _of_reconciling((*path, "reconcile"), _mapping(source.get("reconcile")))
        yield path, source, "hmac_secret", False
    if isinstance(_mapping(data).get("ping"), dict):
        yield ("ping",), data["ping"], "url", True
    server = _mapping(_mapping(_mapping(data).get("context")).get("prometheus"))
    if "token_file" not in server:  # that file is read at each query, for such tokens change while the bridge runs
        yield ("context", "prometheus"), server, "token", False


def _of_reconciling(path: Path, reconcile: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any], str, bool]]:
    if "token_file" not in reconcile:  # read at each look
        yield path, reconcile, "token", False
    if isinstance(reconcile.get("basic_auth"), dict):
        yield (*path, "basic_auth"), reconcile["basic_auth"], "password", True


def _token_lists(data: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    return ((path, source) for path, source in _sources(data) if isinstance(source.get("tokens"), list))


def _sources(data: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    sources = _mapping(data).get("sources")
    for index, source in enumerate(sources if isinstance(sources, list) else ()):
        if isinstance(source, dict):
            yield ("sources", index), source


def _resolve(
    document: Document, folder: FilePath, path: Path, holder: dict[str, Any], key: str, required: bool
) -> None:
    file_key, here = f"{key}_file", (*path, key)
    if key in holder and file_key in holder:
        document.fault((*path, file_key), f"there is a {key} too", "keep one of the two")
    elif file_key in holder:
        content = _read(document, folder, (*path, file_key), holder.pop(file_key))
        if content is not None:
            holder[key] = _clean(document, (*path, file_key), content)
    elif holder.get(key) is not None:
        if _from_environment(document, here, holder[key]):
            holder[key] = _clean(document, here, holder[key])
    elif required:
        document.fault(here, "is missing", f"write {key}: ${{NAME_OF_A_VARIABLE}} or {file_key}: a/path")


def _from_environment(document: Document, path: Path, value: object) -> bool:
    raw = document.raw.get(path)
    if document.already_faulty(path) or (raw is not None and _ONE_VARIABLE.fullmatch(raw)):
        return not document.already_faulty(path)
    hint = "write ${NAME_OF_A_VARIABLE} instead, or keep it in a file and name that with *_file"
    if raw is not None and re.fullmatch(r"\$\{[^}]*:-.*\}", raw, re.DOTALL):
        document.fault(path, "a secret must not have a default in the file", "write ${NAME} alone")
    else:
        document.fault(path, "a secret is written in the file", f"{hint}; and change that secret, it is known now")
    return False


def _read(document: Document, folder: FilePath, path: Path, name: object) -> str | None:
    if document.already_faulty(path):
        return None
    try:
        return read_secret(folder / str(name))
    except ValueError as error:  # also of a name with a NUL in it
        document.fault(path, f"cannot read {str(name)!r}: {error}", "paths start at the folder of this file")
    return None


def _clean(document: Document, path: Path, value: str) -> str:
    value = bare(value)
    if not value:
        document.fault(path, "the secret is empty")
    elif re.search(r"[\x00-\x1f\x7f]", value):
        document.fault(path, "the secret has a line break or control character in it", "it must be one line")
    return value


def _mapping(thing: Any) -> dict[str, Any]:
    return thing if isinstance(thing, dict) else {}
