"""Where the models' keys stand in a file: which data belongs to which model, whatever else is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from bridge.config.faults import Path
from bridge.config.fields import Section, Written


@dataclass(frozen=True, slots=True)
class Place:
    """A section of the file, and the model that it should follow."""

    path: Path
    data: dict[str, Any]
    model: type[Section]


def places(kind: Any, data: Any, path: Path = ()) -> Iterator[Place]:
    """Every section below, parents first."""
    found = list(options(kind))
    if isinstance(data, dict):
        for model in _fitting(found, data):
            yield Place(path, data, model)
            for key, field in keys_of(model).items():
                if key in data:
                    yield from places(kind_of(field), data[key], (*path, key))
    for option in found:
        inner = get_args(option)
        if isinstance(data, dict) and get_origin(option) is Mapping:
            for name, value in data.items():
                yield from places(inner[1], value, (*path, name))
        elif isinstance(data, list) and get_origin(option) is tuple:
            for index, value in enumerate(data):
                yield from places(inner[0], value, (*path, index))


def keys_of(model: type[Section]) -> dict[str, FieldInfo]:
    """By their names in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One secret, or a list of them. reread: a file instead of it is read at each use, and not when it is loaded."""

    key: str
    required: bool
    many: bool
    reread: bool


def secrets_of(model: type[Section]) -> Iterator[SecretKey]:
    keys = keys_of(model)
    for key, field in keys.items():
        many = [get_args(option)[0] for option in options(kind_of(field)) if get_origin(option) is tuple]
        if SecretStr in options(kind_of(field)) or SecretStr in many:
            file = keys.get(f"{key}_file")
            reread = file is not None and FilePath in _values(kind_of(file))
            yield SecretKey(key, field.is_required(), SecretStr in many, reread)


def kind_of(field: FieldInfo) -> Any:
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def options(kind: Any) -> Iterator[Any]:
    """What may stand in the file: without None, and without what is made of it."""
    if get_origin(kind) is Annotated:
        inner, *metadata = get_args(kind)
        yield from options(next((each.kind for each in metadata if isinstance(each, Written)), inner))
    elif get_origin(kind) in (Union, UnionType):
        for each in get_args(kind):
            yield from options(each)
    elif kind is not NoneType:
        yield kind


def _values(kind: Any) -> Iterator[Any]:
    """What the settings have."""
    if get_origin(kind) is Annotated:
        yield from _values(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for each in get_args(kind):
            yield from _values(each)
    else:
        yield kind


def _fitting(found: list[Any], data: dict[str, Any]) -> list[type[Section]]:
    """Of several models, the one of its type."""
    models = [each for each in found if isinstance(each, type) and issubclass(each, Section)]
    if len(models) < 2:
        return models
    return [each for each in models if data.get("type") in get_args(each.model_fields["type"].annotation)]
