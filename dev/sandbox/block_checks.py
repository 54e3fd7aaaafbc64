"""The basic checks of Block Kit: texts, lengths, lists, unknown and repeated names."""

from collections.abc import Callable
from typing import Any

from dev.sandbox.wire import Json

Faults = list[str]
Check = Callable[[Json, str], Faults]


def text_object_faults(text: Any, most: int, pointer: str, *, plain: bool = False) -> Faults:
    if not isinstance(text, dict):
        return [fault_at("missing required field: text" if text is None else "must be an object", pointer)]
    kinds = {"plain_text": {"emoji"}} | ({} if plain else {"mrkdwn": {"verbatim"}})
    kind = text.get("type")
    if kind not in kinds:
        return [fault_at(f"must be one of {', '.join(sorted(kinds))}", f"{pointer}/type")]
    faults = unknown_faults(text, {"type", "text", *kinds[kind]}, pointer)
    return faults + required_text_faults(text.get("text"), most, f"{pointer}/text")


def required_text_faults(value: Any, most: int, pointer: str) -> Faults:
    if not isinstance(value, str):
        return [fault_at("missing required field" if value is None else "must be a string", pointer)]
    if not value:
        return [fault_at("must be more than 0 characters", pointer)]
    return length_faults(value, most, pointer)


def length_faults(value: Any, most: int, pointer: str) -> Faults:
    if value is None:
        return []
    if not isinstance(value, str):
        return [fault_at("must be a string", pointer)]
    return [fault_at(f"must be less than {most + 1} characters", pointer)] if len(value) > most else []


def url_faults(url: Any, pointer: str) -> Faults:
    faults = required_text_faults(url, 3000, pointer)
    if not faults and not url.lower().startswith(("http://", "https://", "slack://", "mailto:")):
        faults.append(fault_at("must be a valid URL", pointer))
    return faults


def each_faults(items: Any, most: int, pointer: str, check: Check) -> Faults:
    if not isinstance(items, list) or not items:
        return [fault_at("must be an array of at least 1 item", pointer)]
    faults = count_faults(items, most, pointer)
    for index, item in enumerate(items):
        faults += check(item, f"{pointer}/{index}")
    return faults


def objects_faults(items: Any, most: int, pointer: str) -> Faults:
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return [fault_at("must be an array of objects", pointer)]
    return count_faults(items, most, pointer)


def count_faults(items: list[Any], most: int, pointer: str) -> Faults:
    return [fault_at(f"no more than {most} items allowed", pointer)] if len(items) > most else []


def repeated_faults(items: list[Any], name: str, pointer: str) -> Faults:
    seen: set[str] = set()
    faults: Faults = []
    for index, item in enumerate(items):
        value = item.get(name) if isinstance(item, dict) else None
        if isinstance(value, str) and value in seen:
            faults.append(fault_at(f"{name} already exists: {value}", f"{pointer}/{index}/{name}"))
        if isinstance(value, str):
            seen.add(value)
    return faults


def unknown_faults(holder: Json, known: set[str], pointer: str) -> Faults:
    return [fault_at(f"invalid additional property: {name}", pointer) for name in sorted(set(holder) - known)]


def is_text_or_absent(value: Any) -> bool:
    return value is None or isinstance(value, str)


def fault_at(text: str, pointer: str) -> str:
    return f"[ERROR] {text} [json-pointer:{pointer}]"
