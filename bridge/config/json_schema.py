"""JSON Schema of routes.yaml as it is written, for editors: variables not yet put in, defaults as they are written.

Invariant: what `bridge check` takes, the schema takes. `${NAME}` may stand wherever one value is expected.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from bridge.config.channel import ChannelTypes
from bridge.config.settings import file_model
from bridge.config.values import Rate, format_duration

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAME = r"\$\{[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = {
    "type": "string",
    "pattern": _NAME + r"(:-[^}]*)?\}",
    "description": "From the environment: ${NAME}, or ${NAME:-default}.",
}
_SECRET = {
    "type": "string",
    "pattern": "^" + _NAME + r"\}$",
    "description": "A secret: ${NAME} of a variable, without a default; it must not be written in the file.",
}
#: what describes a value rather than limiting it
_WORDS = ("title", "description", "default", "examples")
_LIMITS = ("enum", "const", "pattern", "minLength", "maxLength")


def json_schema(types: ChannelTypes) -> dict[str, Any]:
    """A JSON Schema of dialect 2020-12."""
    schema = file_model(types).model_json_schema(by_alias=True, schema_generator=_DefaultsAsWritten)
    written: dict[str, Any] = _with_variables(schema)
    written["$defs"] |= {"Variable": _VARIABLE, "Secret": _SECRET}
    return {"$schema": _DIALECT, **written}


class _DefaultsAsWritten(GenerateJsonSchema):
    """Sections and keys without a default show none: each key below shows its own."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return format_duration(dft)
        if isinstance(dft, Mapping):
            return dict(dft)
        return str(dft) if isinstance(dft, Rate) else super().encode_default(dft)

    def default_schema(self, schema: Any) -> dict[str, Any]:
        if schema.get("default", ...) is None or _is_section(schema.get("default")):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """A secret may also stand in a file."""
        made = super().model_schema(schema)
        _describe(schema["cls"], made.get("properties", {}))
        files = {f"{key}_file" for key in made.get("required", ())} & set(made.get("properties", {}))
        made["required"] = [key for key in made.get("required", ()) if f"{key}_file" not in files]
        return made if made["required"] else {key: value for key, value in made.items() if key != "required"}


def _describe(model: type[BaseModel], properties: dict[str, Any]) -> None:
    """With the text below each key. Pydantic would read it (use_attribute_docstrings) at every start of a process."""
    texts = {name: text for each in reversed(model.__mro__) for name, text in _texts_of(each).items()}
    for name, field in model.model_fields.items():
        if field.description is None and name in texts:
            properties[field.alias or name]["description"] = texts[name]


def _texts_of(model: type) -> dict[str, str]:
    """None for a class that was not written (file_model makes one)."""
    if not issubclass(model, BaseModel) or model is BaseModel:
        return {}
    try:
        (made,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except (OSError, TypeError):
        return {}
    pairs = itertools.pairwise(made.body) if isinstance(made, ast.ClassDef) else ()
    return {
        key.target.id: inspect.cleandoc(text.value.value)
        for key, text in pairs
        if isinstance(key, ast.AnnAssign)
        and isinstance(key.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _is_section(default: Any) -> bool:
    """Or a list of sections; as models, or as what is made of them."""
    if isinstance(default, tuple):
        return any(map(_is_section, default))
    return isinstance(default, BaseModel) or (is_dataclass(default) and not isinstance(default, Rate))


def _with_variables(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_variables(each) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("writeOnly"):
        return _beside(node, {"$ref": "#/$defs/Secret"})
    if _is_limited(node):
        return _or_variable(node)
    if "oneOf" in node:  # a channel whose type is a variable may be any of them
        node = {"anyOf": node["oneOf"]}
    return {key: value if key in _WORDS else _below(key, value) for key, value in node.items()}


def _below(key: str, value: Any) -> Any:
    """Names of keys are no schemas, and are never variables."""
    if key in ("properties", "$defs", "patternProperties"):
        return {name: _with_variables(each) for name, each in value.items()}
    return value if key == "propertyNames" else _with_variables(value)


def _is_limited(node: Mapping[str, Any]) -> bool:
    kinds = node.get("type", "string" if "enum" in node or "const" in node else "")
    return kinds in ("boolean", "integer", "number") or (kinds == "string" and any(each in node for each in _LIMITS))


def _or_variable(node: Mapping[str, Any]) -> dict[str, Any]:
    limits = {key: value for key, value in node.items() if key not in _WORDS}
    return _beside(node, {"anyOf": [limits, {"$ref": "#/$defs/Variable"}]})


def _beside(node: Mapping[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in node.items() if key in _WORDS}, **limits}
