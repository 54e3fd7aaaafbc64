"""Slack's stand-in: its limits, its errors, threads, history, files, and who would be pinged."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from dev.sandbox.running import RunningSandbox, running_sandbox
from tests.dev.sandbox.calls import TOKEN, post_json, posted, request, slack


def section(text: str = "words", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def button(**changes: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain("Ack"), "action_id": "ack", **changes}


def actions(*elements: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


WRONG_BLOCKS: dict[str, tuple[list[Any], str]] = {
    "too many": ([{"type": "divider"}] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
    "long section": (
        [section("x" * 3001)],
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ),
    "empty section": ([section("")], "must be more than 0 characters"),
    "section without words": ([{"type": "section"}], "missing required field: text or fields"),
    "11 fields": (
        [section(fields=[plain("f")] * 11)],
        "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
    ),
    "long field": ([section(fields=[plain("f" * 2001)])], "must be less than 2001 characters"),
    "long header": ([{"type": "header", "text": plain("h" * 151)}], "must be less than 151 characters"),
    "mrkdwn header": (
        [{"type": "header", "text": {"type": "mrkdwn", "text": "h"}}],
        "must be one of plain_text",
    ),
    "11 context elements": (
        [{"type": "context", "elements": [plain("c")] * 11}],
        "no more than 10 items allowed",
    ),
    "26 buttons": (
        [actions(*[button(action_id=str(n)) for n in range(26)])],
        "no more than 25 items allowed",
    ),
    "two equal action_ids": ([actions(button(), button())], "action_id already exists"),
    "long button": ([actions(button(text=plain("b" * 76)))], "must be less than 76 characters"),
    "long value": ([actions(button(value="v" * 2001))], "must be less than 2001 characters"),
    "long url": ([actions(button(url="https://x/" + "u" * 3000))], "must be less than 3001 characters"),
    "strange style": ([actions(button(style="warning"))], "must be one of primary, danger"),
    "long block_id": ([section(block_id="i" * 256)], "must be less than 256 characters"),
    "two equal block_ids": ([section(block_id="i"), section(block_id="i")], "block_id already exists"),
    "image without alt": ([{"type": "image", "image_url": "https://x/y.png"}], "missing required field"),
    "image of nowhere": ([{"type": "image", "alt_text": "a"}], "exactly one of image_url and slack_file"),
    "unknown file": ([{"type": "image", "alt_text": "a", "slack_file": {"id": "F1"}}], "invalid slack file"),
    "unknown type": ([{"type": "chart"}], "unsupported type: chart"),
    "unknown property": ([section(colour="red")], "invalid additional property: colour"),
}


@pytest.mark.parametrize(("blocks", "message"), WRONG_BLOCKS.values(), ids=WRONG_BLOCKS.keys())
def test_wrong_blocks_are_refused_with_a_pointer(sandbox: RunningSandbox, blocks: list[Any], message: str) -> None:
    body = slack(sandbox, "chat.postMessage", channel="#c", text="t", blocks=blocks)
    assert (body["ok"], body["error"]) == (False, "invalid_blocks")
    assert any(message in each for each in body["response_metadata"]["messages"]), body


def test_blocks_inside_attachments_keep_the_same_limits(sandbox: RunningSandbox) -> None:
    body = slack(sandbox, "chat.postMessage", channel="#c", attachments=[{"blocks": [section("x" * 3001)]}])
    assert body["error"] == "invalid_blocks"
    assert "/attachments/0/blocks/0/text/text" in body["response_metadata"]["messages"][0]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing to say": ({}, "no_text"),
    "all blocks together too long": ({"blocks": [section("x" * 2900)] * 5}, "msg_blocks_too_long"),
    "101 attachments": ({"attachments": [{"text": "a"}] * 101}, "too_many_attachments"),
    "long footer": ({"attachments": [{"text": "a", "footer": "f" * 301}]}, "invalid_attachments"),
    "blocks not JSON": ({"text": "t", "blocks": "[{"}, "invalid_blocks_format"),
    "metadata not an object": ({"text": "t", "metadata": "[]"}, "invalid_metadata_format"),
    "metadata without a type": ({"text": "t", "metadata": {"event_payload": {}}}, "invalid_metadata_schema"),
    "metadata nested": (
        {"text": "t", "metadata": {"event_type": "e", "event_payload": {"a": {}}}},
        "invalid_metadata_schema",
    ),
    "metadata too large": (
        {"text": "t", "metadata": {"event_type": "e", "event_payload": {"a": "x" * 9000}}},
        "metadata_too_large",
    ),
    "missing channel": ({"text": "t", "channel": "#gone"}, "channel_not_found"),
    "nonsense channel": ({"text": "t", "channel": "a b"}, "channel_not_found"),
    "thread of nobody": ({"text": "t", "thread_ts": "1000000000.000100"}, "thread_not_found"),
    "thread_ts malformed": ({"text": "t", "thread_ts": "now"}, "invalid_thread_ts"),
    "markdown and text": ({"text": "t", "markdown_text": "m"}, "markdown_text_conflict"),
}


@pytest.mark.parametrize(("args", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_message_is_refused(sandbox: RunningSandbox, args: dict[str, Any], error: str) -> None:
    body = slack(sandbox, "chat.postMessage", **{"channel": "#c", **args})
    assert (body["ok"], body.get("error")) == (False, error)


def test_a_caller_without_a_token_is_not_authed(sandbox: RunningSandbox) -> None:
    url = sandbox.slack_base_url + "auth.test"
    assert post_json(url, {})[1]["error"] == "not_authed"
    assert post_json(url, {}, Authorization="Bearer xoxp-1")[1]["error"] == "invalid_auth"
    assert post_json(url, {}, Authorization=f"Bearer {TOKEN}")[1]["ok"]


def test_only_a_known_token_is_let_in() -> None:
    with running_sandbox(slack_tokens=("xoxb-known-123456",)) as sandbox:
        assert slack(sandbox, "auth.test")["error"] == "invalid_auth"


def test_a_form_carries_blocks_as_json_text(sandbox: RunningSandbox) -> None:
    form = urlencode({"channel": "#c", "blocks": json.dumps([section()]), "token": TOKEN}).encode()
    url = sandbox.slack_base_url + "chat.postMessage"
    _, _, body = request(url, "POST", form, Content_Type="application/x-www-form-urlencoded")
    assert json.loads(body)["message"]["blocks"] == [section()]


def test_ts_always_grows_and_a_name_has_one_id(sandbox: RunningSandbox) -> None:
    first, second = posted(sandbox), posted(sandbox)
    assert first["ts"] < second["ts"]
    assert first["channel"] == second["channel"]
    assert "ml-alerts" in sandbox.state["slack"]["channels"]


def test_long_text_is_truncated_with_a_warning(sandbox: RunningSandbox) -> None:
    body = posted(sandbox, "x" * 40_001)
    assert (len(body["message"]["text"]), body["warning"]) == (40_000, "message_truncated")


def test_an_update_replaces_the_content_and_keeps_the_metadata(sandbox: RunningSandbox) -> None:
    metadata = {"event_type": "e", "event_payload": {"delivery_id": "7"}}
    first = posted(sandbox, "old", blocks=[section()], metadata=metadata)
    assert slack(sandbox, "chat.update", channel=first["channel"], ts=first["ts"], text="new")["ok"]
    [message] = sandbox.state["slack"]["channels"]["ml-alerts"]["messages"]
    assert (
        message["text"],
        message["blocks"],
        message["metadata"],
        message["edits"],
    ) == ("new", [], metadata, 1)


def test_an_update_has_errors_of_its_own(sandbox: RunningSandbox) -> None:
    first = posted(sandbox)
    place = {"channel": first["channel"], "ts": first["ts"]}
    assert slack(sandbox, "chat.update", **place, text="x" * 4001)["error"] == "msg_too_long"
    assert slack(sandbox, "chat.update", **place | {"ts": "1.000001"}, text="x")["error"] == "message_not_found"
    assert slack(sandbox, "chat.update", **place | {"channel": "#ml-alerts"})["error"] == "channel_not_found"
    url = sandbox.slack_base_url + "chat.update"
    other = post_json(url, {**place, "text": "x"}, Authorization="Bearer xoxb-somebody-else")
    assert other[1]["error"] == "cant_update_message"


def test_a_thread_hangs_on_its_parent_only(sandbox: RunningSandbox) -> None:
    parent = posted(sandbox)
    reply = posted(sandbox, "reply", thread_ts=parent["ts"], reply_broadcast=True)
    body = slack(sandbox, "chat.postMessage", channel="#ml-alerts", text="t", thread_ts=reply["ts"])
    assert body["error"] == "cannot_reply_to_message"
    found = slack(sandbox, "conversations.replies", channel=parent["channel"], ts=parent["ts"])
    assert [each["text"] for each in found["messages"]] == ["hello", "reply"]
    [message] = sandbox.state["slack"]["channels"]["ml-alerts"]["messages"]
    assert (message["thread"][0]["broadcast"], message["thread"][0]["text"]) == (True, "reply")


def test_history_is_newest_first_and_shows_metadata_only_when_asked(sandbox: RunningSandbox) -> None:
    metadata = {"event_type": "e", "event_payload": {"n": 1}}
    ts = [posted(sandbox, str(n), metadata=metadata)["ts"] for n in range(3)]
    place = {"channel": posted(sandbox, "last")["channel"], "oldest": ts[0]}
    bare = slack(sandbox, "conversations.history", **place, limit=2)
    assert ([m["text"] for m in bare["messages"]], bare["has_more"]) == (["last", "2"], True)
    assert "metadata" not in bare["messages"][1]
    cursor = bare["response_metadata"]["next_cursor"]
    rest = slack(sandbox, "conversations.history", **place, cursor=cursor, include_all_metadata=True)
    assert ([("1", metadata)], False) == (
        [(m["text"], m["metadata"]) for m in rest["messages"]],
        rest["has_more"],
    )


def test_a_second_equal_reaction_is_refused(sandbox: RunningSandbox) -> None:
    first = posted(sandbox)
    args = {"channel": first["channel"], "timestamp": first["ts"], "name": "eyes"}
    assert slack(sandbox, "reactions.add", **args)["ok"]
    assert slack(sandbox, "reactions.add", **args)["error"] == "already_reacted"


def test_a_file_goes_up_in_three_steps(sandbox: RunningSandbox) -> None:
    content = b"\x89PNG picture"
    query = urlencode({"filename": "p.png", "length": len(content)})
    url = f"{sandbox.slack_base_url}files.getUploadURLExternal?{query}"
    first = json.loads(request(url, Authorization=f"Bearer {TOKEN}")[2])
    files, channel = [{"id": first["file_id"]}], posted(sandbox)["channel"]
    assert slack(sandbox, "files.completeUploadExternal", files=files)["error"] == "file_not_found"
    assert request(first["upload_url"], "POST", b"short")[0] == 400
    assert request(first["upload_url"], "POST", content)[0] == 200
    assert slack(sandbox, "files.completeUploadExternal", files=files, channel_id=channel)["ok"]
    image = {"type": "image", "alt_text": "a", "slack_file": files[0]}
    assert posted(sandbox, blocks=[image])["ok"]
    assert request(f"{sandbox.http_url}/files/{first['file_id']}")[1]["content-type"] == "image/png"


@pytest.mark.parametrize("text", ["<!channel>", "<!here|here>", "<@U12345678>", "<!subteam^S1>"])
def test_an_active_mention_is_recorded_wherever_it_stands(sandbox: RunningSandbox, text: str) -> None:
    posted(sandbox, text)
    posted(sandbox, blocks=[section(text)])
    posted(sandbox, attachments=[{"color": "#d00", "blocks": [section(text)]}])
    messages = sandbox.state["slack"]["channels"]["ml-alerts"]["messages"]
    assert [message["mentions"] for message in messages] == [[text]] * 3


def test_escaped_and_plain_text_has_no_mention(sandbox: RunningSandbox) -> None:
    header = {"type": "header", "text": plain("<!channel>")}
    posted(sandbox, "&lt;!channel&gt; @here", blocks=[header])
    [message] = sandbox.state["slack"]["channels"]["ml-alerts"]["messages"]
    assert message["mentions"] == []


def test_an_incoming_webhook_answers_ok(sandbox: RunningSandbox) -> None:
    url = sandbox.http_url + "/services/T1/B1/secret"
    assert request(url, "POST", b'{"text": "hi"}', Content_Type="application/json")[::2] == (200, b"ok")
    assert request(url, "POST", b"{}", Content_Type="application/json")[::2] == (400, b"no_text")


def test_a_channel_takes_one_message_a_second() -> None:
    with running_sandbox(rate_limits=True) as sandbox:
        posted(sandbox)
        url, token = sandbox.slack_base_url + "chat.postMessage", f"Bearer {TOKEN}"
        body = b'{"channel": "#ml-alerts", "text": "t"}'
        status, headers, answer = request(url, "POST", body, Content_Type="application/json", Authorization=token)
        assert (status, headers["retry-after"]) == (429, "1")
        assert json.loads(answer) == {"ok": False, "error": "ratelimited"}
        assert slack(sandbox, "chat.postMessage", channel="#other", text="t")["ok"]


def test_a_broadcast_reply_stands_in_the_channel_in_its_own_place(sandbox: RunningSandbox) -> None:
    parent = posted(sandbox, "1")
    posted(sandbox, "2", thread_ts=parent["ts"], reply_broadcast=True)
    posted(sandbox, "3")
    found = slack(sandbox, "conversations.history", channel=parent["channel"])["messages"]
    assert [each["text"] for each in found] == ["3", "2", "1"]
    assert found[1]["subtype"] == "thread_broadcast"
