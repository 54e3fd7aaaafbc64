"""routes.yaml read with every type of channel that the bridge has. Faults and arguments are those of bridge.config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge import config
from bridge.channels import CHANNEL_TYPES
from bridge.config import Settings, TemplateCheck


def load(
    path: Path | str,
    environ: Mapping[str, str],
    check_templates: TemplateCheck | None = None,
    *,
    secrets: bool = True,
) -> Settings:
    return config.load(path, environ, CHANNEL_TYPES, check_templates, secrets=secrets)


def load_text(
    text: str,
    environ: Mapping[str, str],
    filename: str = "routes.yaml",
    folder: Path = Path(),
    check_templates: TemplateCheck | None = None,
    *,
    secrets: bool = True,
) -> Settings:
    return config.load_text(text, environ, CHANNEL_TYPES, filename, folder, check_templates, secrets=secrets)


def prepare() -> None:
    """Builds what reads any routes.yaml: for processes that are forked from this one."""
    config.file_model(CHANNEL_TYPES)


def json_schema() -> dict[str, Any]:
    return config.json_schema(CHANNEL_TYPES)
