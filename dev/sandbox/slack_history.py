"""Slack's reading methods: a channel's messages newest first, a thread's messages oldest first."""

from collections.abc import Iterable
from itertools import dropwhile, takewhile

from dev.sandbox.conversations import Message
from dev.sandbox.slack_call import Call, SlackError
from dev.sandbox.wire import Json


def history(call: Call) -> Json:
    channel = call.channel(by_id=True)
    oldest, latest, inclusive = _window(call)
    newer = dropwhile(lambda m: not _before(m.ts, latest, inclusive), channel.newest_first())
    wanted = takewhile(lambda m: _after(m.ts, oldest, inclusive), newer)
    return _page(call, wanted, call.number("limit", 100, 999), newest_first=True)


def replies(call: Call) -> Json:
    channel = call.channel(by_id=True)
    found = call.message(channel, "ts", "thread_not_found")
    parent = channel.by_ts[found.thread_ts] if found.thread_ts else found
    oldest, latest, inclusive = _window(call)
    wanted = (m for m in parent.replies if _after(m.ts, oldest, inclusive) and _before(m.ts, latest, inclusive))
    after = call.text("cursor")
    if after:
        return _page(call, (m for m in wanted if m.ts > after), call.number("limit", 1000, 1000), newest_first=False)
    return _page(call, [parent, *wanted], call.number("limit", 1000, 1000), newest_first=False)


def _window(call: Call) -> tuple[float, float, bool]:
    try:
        oldest = float(call.args.get("oldest") or 0)
        latest = float(call.args.get("latest") or "inf")
    except (TypeError, ValueError):
        raise SlackError("invalid_ts_oldest") from None
    return oldest, latest, call.truth("inclusive")


def _after(ts: str, oldest: float, inclusive: bool) -> bool:
    return float(ts) >= oldest if inclusive else float(ts) > oldest


def _before(ts: str, latest: float, inclusive: bool) -> bool:
    return float(ts) <= latest if inclusive else float(ts) < latest


def _page(call: Call, messages: Iterable[Message], limit: int, *, newest_first: bool) -> Json:
    """A cursor is the ts of the last message of the page before."""
    cursor = call.text("cursor")
    if cursor and newest_first:
        messages = dropwhile(lambda m: m.ts >= cursor, messages)
    page: list[Message] = []
    has_more = False
    for message in messages:
        if len(page) == limit:
            has_more = True
            break
        page.append(message)
    metadata = call.truth("include_all_metadata")
    body: Json = {"messages": [m.published(metadata=metadata) for m in page], "has_more": has_more}
    if has_more:
        body["response_metadata"] = {"next_cursor": page[-1].ts}
    return body
