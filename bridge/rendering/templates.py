"""Finds each channel's templates, the operator's before the built-in ones; compiled once, sandboxed.

For each file the first that exists: FOLDER/<what the route names>/, FOLDER/<channel's name>/, FOLDER/<channel's kind>/,
FOLDER/, the built-in ones.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import product
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing

from bridge.rendering.text import one_line

BUILT_IN = Path(__file__).parent.with_name("templates")
NAMES = ("summary.txt", "body.txt", "body.html")


class TemplateSet:
    """The three templates of some channels. `faults`: compile errors by the template's name."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.faults: dict[str, str] = {}
        self._templates = {}
        for name in NAMES:
            try:
                self._templates[name] = template_of(folders, name)
            except Exception as error:  # a loader, a compiler and a file system can raise anything
                self.faults[name] = fault_text(error)

    def render(self, name: str, view: Mapping[str, Any]) -> str:
        """Empty if it could not be compiled; raises whatever the template raises."""
        template = self._templates.get(name)
        return template.render(view) if template is not None else ""


Choice = tuple[str, str]  #: the folder that the route names, or empty; and the channel


def template_sets(
    folder: Path | None, kinds: Mapping[str, str], named: Iterable[str] = ()
) -> tuple[TemplateSet, dict[Choice, TemplateSet]]:
    """The general set, and the sets of routes and channels with their own folders.

    kinds: each channel's kind. A folder without a known channel's name counts as a channel's.
    named: the folders that routes name.
    """
    channels = {**{each.name: "" for each in subfolders(folder)}, **kinds}
    general = (folder,) if folder is not None else ()
    made: dict[tuple[Path, ...], TemplateSet] = {general: TemplateSet(general)}
    special = {}
    for route, (channel, kind) in product(("", *named), channels.items()):
        folders = (*_own_folders(folder, route, channel, kind), *general)
        if folders != general and folders not in made:
            made[folders] = TemplateSet(folders)
        if folders != general:
            special[route, channel] = made[folders]
    return made[general], special


def subfolders(folder: Path | None) -> list[Path]:
    """The subfolders with at least one template."""
    if folder is None or not folder.is_dir():
        return []
    found = (each for each in sorted(folder.iterdir()) if each.is_dir())
    return [each for each in found if any((each / name).is_file() for name in NAMES)]


def template_of(folders: Sequence[Path], name: str) -> Template:
    """Sandboxed if it is an operator's, for it should not run code. Raises any error of loading or compiling."""
    own = any((folder / name).is_file() for folder in folders)
    template = (environment_of(folders) if own else _built_in()).get_template(name)
    template.globals = dict(template.globals)  # a ChainMap, of which each rendering would make a dict
    return template


@functools.cache  # compiling dominates a process's start, and the configuration check has already done it
def _built_in() -> Environment:
    return environment_of(())


def environment_of(folders: Sequence[Path]) -> Environment:
    """Without folders, for the bridge's own templates: these are trusted, and the sandbox's attribute checks dominate
    the cost of rendering."""
    loaders: list[BaseLoader] = [FileSystemLoader(each) for each in (*folders, BUILT_IN)]
    kind = SandboxedEnvironment if folders else Environment
    return kind(
        loader=ChoiceLoader(loaders),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=ExplainedUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def fault_text(error: Exception) -> str:
    """For operators, on one line: `TemplateSyntaxError in line 3: unexpected '}'`."""
    line = getattr(error, "lineno", None) or _line_of(error)
    return f"{type(error).__name__}{f' in line {line}' if line else ''}: {one_line(error)}"[:300]


def _line_of(error: Exception) -> int | None:
    """The template's line, which Jinja puts into the traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).suffix != ".py"]
    return frames[-1].lineno if frames and frames[-1].filename.startswith(("/", ".")) else None


class ExplainedUndefined(StrictUndefined):
    """Lists the known names, for the template's author."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"unknown variable {self._undefined_name!r}"
        known = _names_in(self._undefined_obj)
        there = f"; it has {', '.join(known)}" if known else ""
        return f"{type(self._undefined_obj).__name__} has no {self._undefined_name!r}{there}"


def _names_in(thing: Any) -> list[str]:
    if is_dataclass(thing):
        return [each.name for each in fields(thing)]
    return sorted(map(str, thing)) if isinstance(thing, Mapping) else []


def _own_folders(folder: Path | None, *names_of: str) -> list[Path]:
    if folder is None:
        return []
    names = [name for name in names_of if name and Path(name).name == name]
    return [folder / name for name in dict.fromkeys(names) if (folder / name).is_dir()]
