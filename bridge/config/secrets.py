"""Secrets: they come from the environment or from a file of their own, never from routes.yaml itself.

Invariant: nothing here puts a secret, or what looks like one, into a fault.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path as FilePath
from typing import Any

from bridge.config.document import Document
from bridge.config.faults import Path
from bridge.config.fields import Section
from bridge.config.places import Place, places, secrets_of
from bridge.config.secret_files import bare, read_secret

_ONE_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def resolve_secrets(document: Document, folder: FilePath, file: type[Section], *, read_files: bool = True) -> None:
    """Check where each secret comes from, and put the content of *_file in its place, or a stand-in."""
    for place in list(places(file, document.data)):
        for secret in secrets_of(place.model):
            if secret.many:
                _resolve_list(document, (*place.path, secret.key), place.data.get(secret.key))
            elif not (secret.reread and f"{secret.key}_file" in place.data):
                if not read_files:
                    _stand_in_for_file(document, place, secret.key)
                _resolve(document, folder, place.path, place.data, secret.key, secret.required)


def _stand_in_for_file(document: Document, place: Place, key: str) -> None:
    if f"{key}_file" in place.data and key not in place.data:
        del place.data[f"{key}_file"]
        document.raw[*place.path, key] = "${STAND_IN}"
        place.data[key] = _stand_in((*place.path, key))


def _resolve_list(document: Document, path: Path, tokens: Any) -> None:
    for index, token in enumerate(tokens if isinstance(tokens, list) else ()):
        if _from_environment(document, (*path, index), token):
            tokens[index] = _clean(document, (*path, index), token)


def stand_ins(document: Document, environ: Mapping[str, str], file: type[Section]) -> dict[str, str]:
    """A stand-in for each unset variable that holds only a secret, for commands that send nothing."""
    found: dict[str, str] = {}
    secrets = secret_paths(document.data, file)
    for path, raw in document.raw.items():
        name = raw.strip()[2:-1]
        if _ONE_VARIABLE.fullmatch(raw) and not environ.get(name) and _is_secret(path, secrets):
            found[name] = _stand_in(path)
    return found


def _is_secret(path: Path, secrets: Collection[Path]) -> bool:
    hashes = path[:2] == (
        "web",
        "users",
    )  # no secrets to the log, but a command that sends nothing may not have them either
    return hashes or any(path[: len(secret)] == secret for secret in secrets)


def _stand_in(path: Path) -> str:
    """Of its kind in its place; it is never sent."""
    if path[:2] == ("web", "users"):
        return "scrypt:1:1:1$stand-in$00"
    return "https://stand-in.invalid" if path[-1] == "url" else "stand-in"


def secret_paths(data: Any, file: type[Section]) -> frozenset[Path]:
    """Where secrets stand, or may stand, for callers that must not show what is there."""
    return frozenset((*place.path, secret.key) for place in places(file, data) for secret in secrets_of(place.model))


def _resolve(
    document: Document, folder: FilePath, path: Path, holder: dict[str, Any], key: str, required: bool
) -> None:
    file_key, here = f"{key}_file", (*path, key)
    if key in holder and file_key in holder:
        document.fault((*path, file_key), f"there is a {key} too", "keep one of the two")
    elif file_key in holder:
        content = _read(document, folder, (*path, file_key), holder.pop(file_key))
        if content is None:
            document.faulty.add(here)  # that it is missing is said
        else:
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
