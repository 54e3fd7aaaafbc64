"""Checks an operator's templates before they are needed: unknown variables, and files without effect."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.meta import find_undeclared_variables

from bridge.rendering.templates import NAMES, environment_of, fault_text, subfolders, template_of

#: templates that only mail uses
_BODIES = ("body.txt", "body.html")
_ENDINGS = (".txt", ".html", ".htm", ".j2", ".jinja", ".jinja2", ".tmpl", ".tpl")


def template_faults(folder: Path | None, views: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Every fault found by compiling or rendering the views, and variables in any branch that no view has."""
    general = [folder] if folder is not None else []
    yield from _faults(general, NAMES, views, "")
    for each in subfolders(folder):
        names = [name for name in NAMES if (each / name).is_file()]
        yield from _faults([each, *general], names, views, f"{each.name}/")


def useless_files(
    folder: Path, kinds: Mapping[str, str], named: Collection[str], bodiless: Collection[str]
) -> Iterator[str]:
    """Files and folders that look like templates but are not used.

    kinds: each channel's kind by its name. named: the folders that routes name.
    bodiless: the kinds that show no body.
    """
    places = {*kinds, *kinds.values(), *named}
    for each in sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")):
        if each in subfolders(folder) and each.name not in places:
            hint = _instead(each.name, places)
            yield f"{each.name}/ is not used: no channel, kind or route's template has this name; {hint}"
        elif kinds.get(each.name, each.name) in bodiless:
            yield from (
                f"{each.name}/{name} has no effect: only mail uses it" for name in _BODIES if (each / name).is_file()
            )
    yield from _misnamed(folder)


def _misnamed(folder: Path) -> Iterator[str]:
    files = sorted(file for file in (*folder.glob("*"), *folder.glob("*/*")) if file.is_file())
    for file in files:
        if file.name in NAMES or not file.name.endswith(_ENDINGS) or _is_included(file, files):
            continue
        yield f"{file.relative_to(folder)} has no effect; {_instead(file.name, NAMES)}"


def _is_included(file: Path, files: Iterable[Path]) -> bool:
    """Whether other templates include it: {% include "footer.txt" %}."""
    others = (each for each in files if each != file)
    return any(file.name in each.read_text("utf-8", "replace") for each in others)


def _instead(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"


def _faults(
    folders: Sequence[Path], names: Sequence[str], views: Sequence[Mapping[str, Any]], prefix: str
) -> Iterator[str]:
    known = sorted({name for view in views for name in view})
    for name in names:
        unknown = list(_unknown_names(folders, name, known))
        yield from (f"{prefix}{name}: {each}" for each in unknown or _when_rendered(folders, name, views))


def _when_rendered(folders: Sequence[Path], name: str, views: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    try:
        template = template_of(folders, name)
        for view in views:
            template.render(view)
    except Exception as error:
        yield fault_text(error)


def _unknown_names(folders: Sequence[Path], name: str, known: Sequence[str]) -> Iterator[str]:
    """Variables of the file itself; templates that it extends may set their own."""
    file = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if file is None:
        return
    environment = environment_of(folders)
    try:
        tree = environment.parse(file.read_text("utf-8"))
        named = find_undeclared_variables(tree)  # raises for unknown filters and tests
    except (TemplateError, OSError, ValueError):
        return  # reported when it is rendered
    if tree.find(nodes.Extends) is not None or tree.find(nodes.FromImport) is not None:
        return
    missing = named - set(known) - set(environment.globals) - _optional_names(tree)
    for word in sorted(missing):
        line = next((node.lineno for node in tree.find_all(nodes.Name) if node.name == word), 1)
        near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
        meant = f"did you mean {near[0]!r}? " if near else ""
        yield f"UndefinedError in line {line}: unknown variable {word!r}; {meant}known: {', '.join(known)}"


def _optional_names(tree: nodes.Template) -> set[str]:
    """{% if x is defined %} and {{ x | default("") }} are valid without x."""
    tests = (node.node for node in tree.find_all(nodes.Test) if node.name in ("defined", "undefined"))
    filters = (node.node for node in tree.find_all(nodes.Filter) if node.name in ("default", "d"))
    return {node.name for node in (*tests, *filters) if isinstance(node, nodes.Name)}
