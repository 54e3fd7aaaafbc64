"""Pydantic's errors in the words of the file: path, line, what is wrong, what to write.

Invariant: nothing of the value is shown where a secret or a variable stands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bridge.config.channel import ChannelTypes
from bridge.config.document import Document
from bridge.config.faults import Path, did_you_mean
from bridge.config.fields import Folder
from bridge.config.places import keys_of, places
from bridge.config.secrets import secret_paths
from bridge.config.settings import RoutesFile, file_model

_QUOTE = "put it in quotes if it is text with : { or # in it"
_WORDS: Mapping[str, tuple[str, str]] = {
    "missing": ("is missing", ""),
    "tuple_type": (
        "should be a list",
        "write it in brackets, such as [one, two], or as lines that start with -",
    ),
    "string_type": ("should be text", _QUOTE),
    "model_type": ("should be keys with values", ""),
    "model_attributes_type": ("should be keys with values", ""),
    "dict_type": ("should be keys with values", ""),
    "bool_type": ("should be true or false", ""),
    "bool_parsing": ("should be true or false", ""),
    "int_type": ("should be a whole number", ""),
    "int_parsing": ("should be a whole number", ""),
    "too_short": ("must not be empty", ""),
    "string_too_short": ("must not be empty", ""),
}


def validated(document: Document, folder: Folder, types: ChannelTypes) -> RoutesFile | None:
    """The file as typed models; None when there are faults, which are then in the document."""
    file = file_model(types)
    try:
        return file.model_validate(document.data if document.data is not None else {}, context=folder)
    except ValidationError as error:
        already = set(document.faulty)
        hidden = secret_paths(document.data, file)
        for detail in error.errors(include_url=False):
            path = _path(detail, document.data)
            # Pydantic calls a list too short when its only item is faulty; that item has its own error.
            empty = detail["type"] != "too_short" or not detail["input"]
            if empty and not any(path[: len(bad)] == bad for bad in already):
                document.fault(path, *_said(detail, path, document, hidden, types))
        return None


def _path(detail: ErrorDetails, data: Any) -> Path:
    """Pydantic's location without the names of union members, which are no keys of the file."""
    path: Path = ()
    for part in detail["loc"]:
        keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
        if part in keys:
            data, path = data[part], (*path, part)
    if detail["type"] == "missing":
        path = (*path, detail["loc"][-1])
    return path


def _said(
    detail: ErrorDetails, path: Path, document: Document, hidden: Collection[Path], types: ChannelTypes
) -> tuple[str, str]:
    message, hint = _words(detail, path, document, types)
    if any(path[: len(secret)] == secret for secret in hidden):
        if path[-1:] == ("url",):
            return "is no usable address", "it must start with http:// or https://, and come from ${NAME} or url_file"
        return "is no usable secret", "it must be text, from ${NAME} or *_file"
    return message, hint


def _words(detail: ErrorDetails, path: Path, document: Document, types: ChannelTypes) -> tuple[str, str]:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown key", did_you_mean(str(path[-1]), _known_keys(path[:-1], document.data, types))
    if kind == "value_error":
        message, _, hint = str(context["error"]).partition("; ")
        return message, hint
    if kind in ("literal_error", "enum"):
        return f"should be {context['expected']}", did_you_mean(str(detail["input"]), _words_of(context["expected"]))
    if kind == "union_tag_not_found":
        return "type is missing", _choice([f"type: {each.word()}" for each in types])
    if kind == "union_tag_invalid":
        return f"no channel type {context['tag']!r}", did_you_mean(context["tag"], [each.word() for each in types])
    if kind == "string_pattern_mismatch":
        return "has characters that are not allowed here", f"it must match {context['pattern']}"
    return _WORDS.get(kind, (detail["msg"].lower(), ""))


def _words_of(expected: str) -> list[str]:
    return [word.strip("' ") for word in expected.replace(" or ", ",").split(",")]


def _choice(words: list[str]) -> str:
    return f"write {', '.join(words[:-1])} or {words[-1]}"


def _known_keys(path: Path, data: Any, types: ChannelTypes) -> list[str]:
    models = (place.model for place in places(file_model(types), data) if place.path == path)
    return sorted(key for model in models for key in keys_of(model))
