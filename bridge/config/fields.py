"""Kinds of values in routes.yaml: how each is read and checked, and what JSON Schema says of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from bridge.config.values import (
    Network,
    Rate,
    check_address,
    check_base_url,
    check_url,
    parse_duration,
    parse_network,
    parse_rate,
    parse_size,
)
from bridge.core.context.questions import check_expression
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.time_intervals import Range, parse_days_of_month, parse_months, parse_weekdays, parse_years


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


def _range_text(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "integer"], "examples": [example]})


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    described("10m", "a duration: 1.5s, 10m, 1h30m, 90d", type=["string", "integer"], maximum=0),
]
Size = Annotated[
    int, BeforeValidator(parse_size), described("8MiB", "a size in bytes: 8MiB, 500kB", type=["string", "integer"])
]
Networks = Annotated[Network, BeforeValidator(parse_network), described("10.0.0.0/8", "an address, or a range of them")]
Pace = Annotated[
    Rate | None, BeforeValidator(parse_rate), described("120/m", "messages in a time: 1/s, 1000/h, unlimited")
]
Url = Annotated[str, AfterValidator(check_url), described("https://example.org", "an http or https URL")]
#: Empty is none, so that it may come from a variable that is not set: ${NAME:-}.
BaseUrl = Annotated[
    Annotated[str, AfterValidator(check_base_url), described("https://example.org", "an http or https URL, or empty")]
    | None,
    BeforeValidator(lambda value: value if value != "" else None),
]
Address = Annotated[str, AfterValidator(check_address), described("ml@example.org", "a mail address")]
PromQL = Annotated[str, Field(min_length=1, max_length=5000), checked(check_expression), described("up", "PromQL")]
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=200)]
MatcherText = Annotated[str, checked(parse_matchers), described('severity="critical"', "matchers as in Alertmanager")]
Line = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\r\n\x00]*$")]
Weekdays = Annotated[Range, _parsed_by(parse_weekdays), _range_text("monday:friday")]
DaysOfMonth = Annotated[Range, _parsed_by(parse_days_of_month), _range_text("-3:-1")]
Months = Annotated[Range, _parsed_by(parse_months), _range_text("january:march")]
Years = Annotated[Range, _parsed_by(parse_years), _range_text("2026:2027")]


class Section(BaseModel):
    """The text below each key describes it, in the JSON Schema and so in editors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)
