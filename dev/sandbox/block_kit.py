"""Slack's limits on blocks and attachments, reported as Slack does (text plus JSON pointer).

https://docs.slack.dev/reference/block-kit/blocks
"""

from typing import Any

from dev.sandbox.block_checks import (
    Check,
    Faults,
    count_faults,
    each_faults,
    fault_at,
    is_text_or_absent,
    length_faults,
    objects_faults,
    repeated_faults,
    required_text_faults,
    text_object_faults,
    unknown_faults,
    url_faults,
)
from dev.sandbox.wire import Json, text_of

MAX_BLOCKS = 50
MAX_ATTACHMENTS = 100
# Undocumented: Slack counts 12,000 to 13,200 characters over all blocks (slackapi/bolt-js#2509, #2867).
MAX_SERIALIZED_CHARACTERS = 12_000
MAX_MARKDOWN_CHARACTERS = 12_000

SELECTS = ("static_select", "multi_static_select", "radio_buttons", "checkboxes")
FREE_ELEMENTS = (
    "datepicker", "timepicker", "datetimepicker", "users_select", "conversations_select", "channels_select",
    "external_select", "multi_users_select", "multi_conversations_select", "multi_channels_select",
    "multi_external_select", "plain_text_input", "workflow_button", "feedback_buttons", "icon_button",
)  # fmt: skip
FREE_BLOCKS = ("rich_text", "video", "table", "input", "task_card", "plan")


def blocks_faults(blocks: Any, pointer: str = "/blocks") -> Faults:
    if not isinstance(blocks, list):
        return [fault_at("must be an array", pointer)]
    faults = count_faults(blocks, MAX_BLOCKS, pointer)
    for index, block in enumerate(blocks):
        faults += _block_faults(block, f"{pointer}/{index}")
    return faults + repeated_faults(blocks, "block_id", pointer)


def attachment_block_faults(attachments: list[Json]) -> Faults:
    faults: Faults = []
    for index, attachment in enumerate(attachments):
        if "blocks" in attachment:
            faults += blocks_faults(attachment["blocks"], f"/attachments/{index}/blocks")
    return faults


def attachment_faults(attachments: list[Json]) -> Faults:
    """Faults of the old attachment fields; Slack calls these invalid_attachments."""
    faults: Faults = []
    for index, each in enumerate(attachments):
        pointer = f"/attachments/{index}"
        names = ("color", "fallback", "pretext", "text", "title", "title_link", "footer", "author_name")
        faults += [fault_at("must be a string", f"{pointer}/{n}") for n in names if not is_text_or_absent(each.get(n))]
        faults += length_faults(each.get("footer"), 300, f"{pointer}/footer")
        faults += objects_faults(each.get("fields"), 100, f"{pointer}/fields")
        faults += objects_faults(each.get("actions"), 5, f"{pointer}/actions")
    return faults


def serialized_characters(blocks: list[Json], attachments: list[Json]) -> int:
    every = [blocks] if blocks else []
    every += [each["blocks"] for each in attachments if each.get("blocks")]
    return sum(len(text_of(each)) for each in every)


def markdown_characters(blocks: list[Json]) -> int:
    return sum(len(block["text"]) for block in blocks if block.get("type") == "markdown")


def _block_faults(block: Any, pointer: str) -> Faults:
    if not isinstance(block, dict):
        return [fault_at("must be an object", pointer)]
    kind = block.get("type")
    if kind in FREE_BLOCKS:
        return length_faults(block.get("block_id"), 255, f"{pointer}/block_id")
    if not isinstance(kind, str) or kind not in _BLOCKS:
        return [fault_at(f"unsupported type: {kind}" if kind else "missing required field: type", f"{pointer}/type")]
    properties, check = _BLOCKS[kind]
    faults = unknown_faults(block, {"type", "block_id", *properties}, pointer)
    return faults + length_faults(block.get("block_id"), 255, f"{pointer}/block_id") + check(block, pointer)


def _section(block: Json, pointer: str) -> Faults:
    faults: Faults = []
    if "text" not in block and "fields" not in block:
        faults.append(fault_at("missing required field: text or fields", pointer))
    if "text" in block:
        faults += text_object_faults(block["text"], 3000, f"{pointer}/text")
    if "fields" in block:
        faults += each_faults(block["fields"], 10, f"{pointer}/fields", lambda f, p: text_object_faults(f, 2000, p))
    if "accessory" in block:
        faults += _element_faults(block["accessory"], f"{pointer}/accessory")
    return faults


def _header(block: Json, pointer: str) -> Faults:
    return text_object_faults(block.get("text"), 150, f"{pointer}/text", plain=True)


def _context(block: Json, pointer: str) -> Faults:
    return each_faults(block.get("elements"), 10, f"{pointer}/elements", _context_element)


def _context_element(element: Any, pointer: str) -> Faults:
    if isinstance(element, dict) and element.get("type") == "image":
        return _image(element, pointer)
    return text_object_faults(element, 3000, pointer)


def _actions(block: Json, pointer: str) -> Faults:
    elements = block.get("elements")
    faults = each_faults(elements, 25, f"{pointer}/elements", _element_faults)
    return faults + (
        repeated_faults(elements, "action_id", f"{pointer}/elements") if isinstance(elements, list) else []
    )


def _context_actions(block: Json, pointer: str) -> Faults:
    return each_faults(block.get("elements"), 5, f"{pointer}/elements", _element_faults)


def _divider(block: Json, pointer: str) -> Faults:
    return []


def _markdown(block: Json, pointer: str) -> Faults:
    return required_text_faults(block.get("text"), MAX_MARKDOWN_CHARACTERS, f"{pointer}/text")


def _image(block: Json, pointer: str) -> Faults:
    faults = required_text_faults(block.get("alt_text"), 2000, f"{pointer}/alt_text")
    if ("image_url" in block) == ("slack_file" in block):
        faults.append(fault_at("exactly one of image_url and slack_file must be given", pointer))
    if "image_url" in block:
        faults += url_faults(block["image_url"], f"{pointer}/image_url")
    if "slack_file" in block:
        faults += _slack_file_faults(block["slack_file"], f"{pointer}/slack_file")
    if "title" in block:
        faults += text_object_faults(block["title"], 2000, f"{pointer}/title", plain=True)
    return faults


def _slack_file_faults(file: Any, pointer: str) -> Faults:
    if not isinstance(file, dict) or ("id" in file) == ("url" in file):
        return [fault_at("exactly one of id and url must be given", pointer)]
    return []


def _element_faults(element: Any, pointer: str) -> Faults:
    if not isinstance(element, dict):
        return [fault_at("must be an object", pointer)]
    kind = element.get("type")
    faults = length_faults(element.get("action_id"), 255, f"{pointer}/action_id")
    if "confirm" in element:
        faults += _confirm_faults(element["confirm"], f"{pointer}/confirm")
    if kind == "button":
        return faults + _button(element, pointer)
    if kind == "image":
        return faults + _image(element, pointer)
    if kind in SELECTS or kind == "overflow":
        return faults + _options(element, 5 if kind == "overflow" else 100, pointer)
    return faults if kind in FREE_ELEMENTS else [*faults, fault_at(f"unsupported type: {kind}", f"{pointer}/type")]


def _button(button: Json, pointer: str) -> Faults:
    known = {"type", "text", "action_id", "url", "value", "style", "confirm", "accessibility_label"}
    faults = unknown_faults(button, known, pointer)
    faults += text_object_faults(button.get("text"), 75, f"{pointer}/text", plain=True)
    faults += length_faults(button.get("value"), 2000, f"{pointer}/value")
    faults += length_faults(button.get("accessibility_label"), 75, f"{pointer}/accessibility_label")
    if "url" in button:
        faults += url_faults(button["url"], f"{pointer}/url")
    if button.get("style", "primary") not in ("primary", "danger"):
        faults.append(fault_at("must be one of primary, danger", f"{pointer}/style"))
    return faults


def _options(element: Json, most: int, pointer: str) -> Faults:
    if "option_groups" in element:
        return objects_faults(element["option_groups"], 100, f"{pointer}/option_groups")
    return each_faults(element.get("options"), most, f"{pointer}/options", _option)


def _option(option: Any, pointer: str) -> Faults:
    if not isinstance(option, dict):
        return [fault_at("must be an object", pointer)]
    faults = text_object_faults(option.get("text"), 75, f"{pointer}/text")
    return faults + required_text_faults(option.get("value"), 150, f"{pointer}/value")


def _confirm_faults(confirm: Any, pointer: str) -> Faults:
    if not isinstance(confirm, dict):
        return [fault_at("must be an object", pointer)]
    limits = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
    return [
        fault
        for name, most in limits.items()
        if name in confirm
        for fault in text_object_faults(confirm[name], most, f"{pointer}/{name}", plain=name != "text")
    ]


_BLOCKS: dict[str, tuple[set[str], Check]] = {
    "section": ({"text", "fields", "accessory", "expand"}, _section),
    "header": ({"text", "level"}, _header),
    "context": ({"elements"}, _context),
    "actions": ({"elements"}, _actions),
    "context_actions": ({"elements"}, _context_actions),
    "divider": (set(), _divider),
    "markdown": ({"text"}, _markdown),
    "image": ({"image_url", "slack_file", "alt_text", "title"}, _image),
}
