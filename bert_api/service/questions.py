"""Reads the body of POST /predict: a Question, or a refusal that says what was seen and what to send instead.

Invariant: nothing that is sent may end in a 500, and a refusal never repeats the text that it refuses.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

MOST_TEXTS = 32
MOST_CHARACTERS = 10_000
FIELDS = ("text", "texts", "language")
EXAMPLE = 'Send {"text": "..."} or {"texts": ["...", "..."]}.'
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
JSON_TYPES = {str: "a string", list: "a list", dict: "an object", bool: "a boolean", type(None): "null"}


@dataclass(frozen=True)
class Question:
    """Texts as the model may read them; `single` when the caller sent one text and expects one answer."""

    texts: tuple[str, ...]
    single: bool
    language: str


class Refused(Exception):
    """The request cannot be answered, and the caller can do something about it."""

    def __init__(self, status: int, code: str, message: str, hint: str = EXAMPLE) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint = status, code, message, hint


def read(body: bytes) -> Question:
    """Raises Refused: 400 for what is not JSON, 422 for JSON that is no question."""
    content = _object(_json(body))
    unknown = [name for name in content if name not in FIELDS]
    if unknown:
        seen = f"The request has {len(unknown)} unknown field{'s' * (len(unknown) != 1)}."
        raise _unfit("unknown_field", seen, f"Known are {', '.join(FIELDS)}.")
    if ("text" in content) == ("texts" in content):
        seen = "both text and texts" if "text" in content else "neither text nor texts"
        raise _unfit("text_or_texts", f"The request has {seen}.")
    language = _language(content.get("language"))
    if "text" in content:
        return Question((_text(content["text"], "text"),), single=True, language=language)
    return Question(_texts(content["texts"]), single=False, language=language)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except json.JSONDecodeError as fault:
        where = f"line {fault.lineno}, column {fault.colno}"
        raise Refused(400, "not_json", f"The body is not JSON: {fault.msg} at {where}.") from None
    except UnicodeDecodeError as fault:
        raise Refused(400, "not_unicode", f"Byte {fault.start} of the body is not UTF-8.") from None
    except (ValueError, RecursionError):
        raise Refused(
            400, "not_readable", "The JSON is nested too deeply, or has a number of too many digits."
        ) from None


def _object(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise _unfit("not_an_object", f"The body is {_kind(content)}, not an object.")
    return content


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _unfit("wrong_type", f"texts is {_kind(value)}, not a list.")
    if not 1 <= len(value) <= MOST_TEXTS:
        raise _unfit("batch_size", f"texts has {len(value)} entries.", f"Send from 1 to {MOST_TEXTS} at once.")
    return tuple(_text(each, f"texts[{place}]") for place, each in enumerate(value))


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _unfit("wrong_type", f"{where} is {_kind(value)}, not a string.")
    if len(value) > MOST_CHARACTERS:
        seen = f"{where} has {len(value)} characters."
        raise _unfit("too_long", seen, f"Send at most {MOST_CHARACTERS}; the model reads only the beginning anyway.")
    cleaned = clean(value)
    if not cleaned.strip():
        raise _unfit("empty", f"{where} is empty.", "Send at least one visible character.")
    return cleaned


def clean(text: str) -> str:
    """NFC without NUL; half of a surrogate pair, which no encoder takes, becomes the replacement character."""
    return unicodedata.normalize("NFC", LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\0", "")))


def _language(value: Any) -> str:
    """The primary subtag: `pt-BR` is Portuguese. Without one it is undetermined."""
    if value is None:
        return "und"
    if not isinstance(value, str):
        raise _unfit("wrong_type", f"language is {_kind(value)}, not a string.", "Send an ISO 639 code such as en.")
    return re.split("[-_]", value, maxsplit=1)[0].lower()


def _kind(value: Any) -> str:
    return JSON_TYPES.get(type(value), "a number")


def _unfit(code: str, message: str, hint: str = EXAMPLE) -> Refused:
    return Refused(422, code, message, hint)
