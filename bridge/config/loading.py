"""routes.yaml and the environment in, frozen Settings out; or every fault at once.

Invariant: environ is an argument; no file is read but the configuration and the secret files that it names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from bridge.config.building import build
from bridge.config.checks import check_document, find_warnings, mapping, routes, sequence
from bridge.config.document import Document, read_document
from bridge.config.faults import ConfigurationFaults, Fault
from bridge.config.faults import Path as Place
from bridge.config.schema import RoutesFile
from bridge.config.secret_files import read_secret
from bridge.config.secrets import resolve_secrets, stand_ins
from bridge.config.settings import Settings
from bridge.config.validation import validated
from bridge.config.vendor_checks import find_vendor_warnings

__all__ = ["TemplateCheck", "load", "load_text"]

#: Given the operator's template folder (None: only the bridge's own), says what is wrong with the templates.
TemplateCheck = Callable[[Path | None], Iterable[str]]


def load(
    path: Path | str,
    environ: Mapping[str, str],
    check_templates: TemplateCheck | None = None,
    *,
    secrets: bool = True,
) -> Settings:
    """Read the file; raises ConfigurationFaults with everything that is wrong.

    secrets: without them, for who sends nothing, a stand-in is in the place of each that is not there.
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
    return load_text(text, environ, str(path), path.parent, check_templates, secrets=secrets)


def load_text(
    text: str,
    environ: Mapping[str, str],
    filename: str = "routes.yaml",
    folder: Path = Path(),
    check_templates: TemplateCheck | None = None,
    *,
    secrets: bool = True,
) -> Settings:
    document = read_document(text, environ)
    if not secrets:
        document = read_document(text, {**environ, **stand_ins(document, environ)})
    readable = document.data is not None or not document.faults
    file = _checked(document, folder, check_templates, secrets) if readable else None
    warnings = tuple(sorted([*find_warnings(document), *find_vendor_warnings(document, environ)]))
    if document.faults or file is None:
        raise ConfigurationFaults(filename, document.faults, warnings)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return build(file, document, folder, warnings, digest)


def _checked(
    document: Document, folder: Path, check_templates: TemplateCheck | None, secrets: bool
) -> RoutesFile | None:
    if document.data is None:
        document.fault((), "the file is empty", "it needs at least channels and route; see the default routes.yaml")
        return None
    if not isinstance(document.data, dict):
        document.fault((), "the file should be keys with values", "it starts with channels: and route:")
        return None
    resolve_secrets(document, folder, read_files=secrets)
    check_document(document)
    file = validated(document)
    _check_files(document, folder, check_templates, secrets)
    return file


def _check_files(document: Document, folder: Path, check_templates: TemplateCheck | None, secrets: bool) -> None:
    for name, channel in mapping(mapping(document.data).get("channels")).items():
        ca_file: Any = mapping(channel).get("ca_file")
        if secrets and isinstance(ca_file, str) and not (folder / ca_file).is_file():
            document.fault(("channels", name, "ca_file"), f"there is no file {ca_file!r}")
    server = mapping(mapping(mapping(document.data).get("context")).get("prometheus"))
    if secrets:
        _check_token_file(document, folder, ("context", "prometheus", "token_file"), server.get("token_file"))
    if "token_file" in server and "token" in server:
        document.fault(("context", "prometheus", "token_file"), "there is a token too", "keep one of the two")
    for index, source in enumerate(sequence(mapping(document.data).get("sources"))):
        token_file: Any = mapping(mapping(source).get("reconcile")).get("token_file")
        if secrets:
            _check_token_file(document, folder, ("sources", index, "reconcile", "token_file"), token_file)
    templates: Any = mapping(document.data).get("templates")
    for path, route in routes(mapping(document.data).get("route"), ("route",)):
        named = route.get("template")
        if isinstance(named, str) and not (folder / str(templates or "") / named).is_dir():
            document.fault(
                (*path, "template"), f"there is no folder {named!r} in templates", "make it, or set templates"
            )
    if isinstance(templates, str) and not (folder / templates).is_dir():
        document.fault(("templates",), f"there is no folder {templates!r}", "paths start at the folder of this file")
    elif check_templates is not None and not document.already_faulty(("templates",)):
        for message in check_templates(folder / templates if isinstance(templates, str) else None):
            document.fault(("templates",), message)


def _check_token_file(document: Document, folder: Path, place: Place, name: object) -> None:
    """It is read anew at each use, and should be readable now."""
    if not isinstance(name, str):
        return
    if not (folder / name).exists():
        document.fault(place, f"there is no file {name!r}")
        return
    try:
        if not read_secret(folder / name):
            document.fault(place, "the secret is empty")
    except ValueError as error:
        document.fault(place, f"cannot read {name!r}: {error}")
