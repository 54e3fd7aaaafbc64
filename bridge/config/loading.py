"""routes.yaml and the environment in, frozen Settings out; or every fault at once.

Invariant: environ is an argument; no file is read but the configuration and the secret files that it names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bridge.config.channel import ChannelTypes
from bridge.config.checks import check_document, find_warnings, mapping, routes
from bridge.config.document import Document, read_document
from bridge.config.faults import ConfigurationFaults, Fault
from bridge.config.fields import Folder
from bridge.config.routes import route_tree
from bridge.config.secrets import resolve_secrets, stand_ins
from bridge.config.settings import RoutesFile, Settings, file_model, storms_of
from bridge.config.validation import validated
from bridge.config.vendor_checks import find_vendor_warnings

__all__ = ["TemplateCheck", "load", "load_text"]

#: Given the operator's template folder, says what is wrong with the templates. The bridge's own need no check.
TemplateCheck = Callable[[Path], Iterable[str]]


def load(
    path: Path | str,
    environ: Mapping[str, str],
    types: ChannelTypes,
    check_templates: TemplateCheck | None = None,
    *,
    secrets: bool = True,
) -> Settings:
    """Read the file; raises ConfigurationFaults with everything that is wrong.

    types: the models of all channel types.
    secrets: False is for commands that send nothing: a stand-in takes the place of each missing secret.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        hint = "name it with --config or BRIDGE_CONFIG"
        fault = Fault(1, "", f"the file cannot be read: {error.strerror}", hint)
        raise ConfigurationFaults(str(path), [fault]) from None
    except UnicodeDecodeError as error:
        fault = Fault(1, "", f"the file is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}")
        raise ConfigurationFaults(str(path), [fault]) from None
    return load_text(text, environ, types, str(path), path.parent, check_templates, secrets=secrets)


def load_text(
    text: str,
    environ: Mapping[str, str],
    types: ChannelTypes,
    filename: str = "routes.yaml",
    folder: Path = Path(),
    check_templates: TemplateCheck | None = None,
    *,
    secrets: bool = True,
) -> Settings:
    document = read_document(text, environ)
    if not secrets:
        document = read_document(text, {**environ, **stand_ins(document, environ, file_model(types))})
    readable = document.data is not None or not document.faults
    file = _checked(document, types, Folder(folder, look=secrets), check_templates) if readable else None
    warnings = tuple(sorted([*find_warnings(document, types), *find_vendor_warnings(document, environ)]))
    if document.faults or file is None:
        raise ConfigurationFaults(filename, document.faults, warnings)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return _settings(file, document, warnings, digest)


def _settings(file: RoutesFile, document: Document, warnings: tuple[Fault, ...], digest: str) -> Settings:
    """Nothing can go wrong here any more."""
    intervals = {each.name: each for each in file.time_intervals}
    route = route_tree(file.route, document, intervals, file.incidents.fallback_after)
    found = {"route": route, "storms": MappingProxyType(dict(storms_of(file))), "warnings": warnings, "digest": digest}
    return Settings.model_construct(**{**dict(file), **found})


def _checked(
    document: Document, types: ChannelTypes, folder: Folder, check_templates: TemplateCheck | None
) -> RoutesFile | None:
    if document.data is None:
        document.fault((), "the file is empty", "it needs at least channels and route; see the default routes.yaml")
        return None
    if not isinstance(document.data, dict):
        document.fault((), "the file should be keys with values", "it starts with channels: and route:")
        return None
    resolve_secrets(document, folder.path, file_model(types), read_files=folder.look)
    check_document(document, types)
    file = validated(document, folder, types)
    _check_templates(document, folder.path, check_templates)
    return file


def _check_templates(document: Document, folder: Path, check_templates: TemplateCheck | None) -> None:
    templates: Any = mapping(document.data).get("templates")
    for path, route in routes(mapping(document.data).get("route"), ("route",)):
        named = route.get("template")
        if isinstance(named, str) and not (folder / str(templates or "") / named).is_dir():
            document.fault(
                (*path, "template"), f"there is no folder {named!r} in templates", "make it, or set templates"
            )
    if isinstance(templates, str) and not (folder / templates).is_dir():
        document.fault(("templates",), f"there is no folder {templates!r}", "paths start at the folder of this file")
    elif check_templates is not None and isinstance(templates, str) and not document.already_faulty(("templates",)):
        for message in check_templates(folder / templates):
            document.fault(("templates",), message)
