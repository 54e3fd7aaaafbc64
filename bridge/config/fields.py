"""Kinds of values in routes.yaml: how each is read and checked, and what JSON Schema says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from bridge.config.secret_files import read_secret
from bridge.config.values import (
    HostPort,
    Network,
    Rate,
    check_address,
    check_base_url,
    check_password_hash,
    check_url,
    parse_duration,
    parse_host_port,
    parse_network,
    parse_rate,
    parse_size,
)
from bridge.core.context.questions import check_expression
from bridge.core.routing.matchers import Matcher, parse_matchers
from bridge.core.routing.time_intervals import Range, parse_days_of_month, parse_months, parse_weekdays, parse_years


@dataclass(frozen=True, slots=True)
class Folder:
    """Validation context: where relative paths start. look: whether the files must be there now."""

    path: Path
    look: bool = True


@dataclass(frozen=True, slots=True)
class Written:
    """Metadata of a field: the file has `kind` there, and `read` makes the field's own value of it."""

    kind: Any
    read: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.read, handler.generate_schema(self.kind))


def described(example: str, what: str, **limits: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": what, "examples": [example], **limits})


def checked(check: Any) -> AfterValidator:
    """Check the text, keep the text."""

    def keep(text: str) -> str:
        check(text)
        return text

    return AfterValidator(keep)


def _parsed_by(parse: Callable[[str], Range]) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(str(value)))


def _read_by(parse: Callable[[object], Any], kind: type) -> BeforeValidator:
    """Code may give the value itself."""
    return BeforeValidator(lambda value: value if isinstance(value, kind) else parse(value))


def _in_folder(value: str, info: ValidationInfo) -> Path:
    return info.context.path / value if isinstance(info.context, Folder) else Path(value)


def _there(path: Path, info: ValidationInfo) -> Path:
    if isinstance(info.context, Folder) and info.context.look and not path.is_file():
        raise ValueError(f"there is no file {_shown(path, info.context)!r}")
    return path


def _readable(path: Path, info: ValidationInfo) -> Path:
    """It is read at each use, and must be readable now."""
    if not isinstance(info.context, Folder) or not info.context.look:
        return path
    shown = _shown(path, info.context)
    if not path.exists():
        raise ValueError(f"there is no file {shown!r}")
    try:
        content = read_secret(path)
    except ValueError as error:
        raise ValueError(f"cannot read {shown!r}: {error}") from None
    if not content:
        raise ValueError("the secret is empty")
    return path


def _shown(path: Path, folder: Folder) -> str:
    """As it stands in the file."""
    return str(path.relative_to(folder.path)) if path.is_relative_to(folder.path) else str(path)


def _range_text(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "integer"], "examples": [example]})


Duration = Annotated[
    timedelta,
    _read_by(parse_duration, timedelta),
    described("10m", "a duration: 1.5s, 10m, 1h30m, 90d", type=["string", "integer"], maximum=0),
]
Size = Annotated[
    int, BeforeValidator(parse_size), described("8MiB", "a size in bytes: 8MiB, 500kB", type=["string", "integer"])
]
Networks = Annotated[
    Network, _read_by(parse_network, Network), described("10.0.0.0/8", "an address, or a range of them")
]
Pace = Annotated[
    Rate | None, _read_by(parse_rate, Rate), described("120/m", "messages in a time: 1/s, 1000/h, unlimited")
]
Url = Annotated[str, AfterValidator(check_url), described("https://example.org", "an http or https URL")]
#: A path with a slash comes behind it.
RootUrl = Annotated[Url, AfterValidator(lambda url: url.rstrip("/"))]
#: Empty is none, so that it may come from a variable that is not set: ${NAME:-}.
BaseUrl = Annotated[
    Annotated[
        str,
        AfterValidator(check_base_url),
        AfterValidator(lambda url: url.rstrip("/")),
        described("https://example.org", "an http or https URL, or empty"),
    ]
    | None,
    BeforeValidator(lambda value: value if value != "" else None),
]
Address = Annotated[str, AfterValidator(check_address), described("ml@example.org", "a mail address")]
PromQL = Annotated[str, Field(min_length=1, max_length=5000), checked(check_expression), described("up", "PromQL")]
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=200)]
MatcherText = Annotated[str, described('severity="critical"', "matchers as in Alertmanager")]
_Matchers = Annotated[tuple[Matcher, ...], Written(MatcherText, parse_matchers)]
#: Each text may hold several.
Matchers = Annotated[
    tuple[Matcher, ...],
    Written(tuple[_Matchers, ...], lambda texts: tuple(matcher for text in texts for matcher in text)),
]
SomeMatchers = Annotated[
    tuple[Matcher, ...],
    Written(
        Annotated[tuple[_Matchers, ...], Field(min_length=1)],
        lambda texts: tuple(matcher for text in texts for matcher in text),
    ),
]
Line = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\r\n\x00]*$")]
Weekdays = Annotated[Range, _parsed_by(parse_weekdays), _range_text("monday:friday")]
DaysOfMonth = Annotated[Range, _parsed_by(parse_days_of_month), _range_text("-3:-1")]
Months = Annotated[Range, _parsed_by(parse_months), _range_text("january:march")]
Years = Annotated[Range, _parsed_by(parse_years), _range_text("2026:2027")]


Smarthost = Annotated[
    HostPort, Written(Annotated[str, described("smtp.example.org:587", "host:port")], parse_host_port)
]
#: Paths start at the folder of routes.yaml.
_PathText = Annotated[Line, BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value)]
FolderPath = Annotated[Path, Written(_PathText, Path), AfterValidator(_in_folder)]
ExistingFile = Annotated[Path, Written(_PathText, Path), AfterValidator(_in_folder), AfterValidator(_there)]
#: A secret that is read at each use, where *_file fields of text are read once, when the file is loaded.
SecretFile = Annotated[Path, Written(_PathText, Path), AfterValidator(_in_folder), AfterValidator(_readable)]
#: No secret that must stand elsewhere, and not shown all the same.
PasswordHash = Annotated[SecretStr, Written(str, check_password_hash)]
#: A mapping that nothing can be put into.
FROZEN = AfterValidator(lambda mapping: MappingProxyType(dict(mapping)))


class Section(BaseModel):
    """The text below each key describes it, in the JSON Schema and so in editors: bridge.config.json_schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """It is frozen, all the way down."""
        return self
