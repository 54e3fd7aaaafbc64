"""Slack's mrkdwn as safe HTML: bold, italic, strike, code, quotes, links, mentions; all else is text."""

import re

from markupsafe import Markup, escape

PRIVATE = re.compile("[\ue000\ue001\x00-\x08\x0b\x0c\x0e-\x1f]")
TOKEN = re.compile(r"```(?P<pre>.+?)```|`(?P<code>[^`\n]+)`|<(?P<angle>[^<>\n]+)>", re.DOTALL)
PLACE = re.compile("\ue000(\\d+)\ue001")
QUOTE = re.compile(r"^(?:&gt;) ?(.*)$", re.MULTILINE)
EMOJI = re.compile(r":([a-z0-9_+-]+):")
STYLES = tuple(
    (re.compile(rf"(?<![\w{mark}]){mark}(?=\S)([^{mark}\n]+?)(?<=\S){mark}(?![\w{mark}])"), tag)
    for mark, tag in ((r"\*", "strong"), ("_", "em"), ("~", "s"))
)
SAFE_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s]+", re.IGNORECASE)
EMOJIS = {
    "fire": "🔥", "warning": "⚠️", "rotating_light": "🚨", "white_check_mark": "✅", "heavy_check_mark": "✔️",
    "x": "❌", "red_circle": "🔴", "large_orange_circle": "🟠", "large_yellow_circle": "🟡",
    "large_green_circle": "🟢", "large_blue_circle": "🔵", "information_source": "\u2139\ufe0f", "bell": "🔔",
    "no_bell": "🔕", "eyes": "👀", "rocket": "🚀", "chart_with_upwards_trend": "📈", "zap": "⚡",
    "package": "📦",
    "chart_with_downwards_trend": "📉", "hourglass_flowing_sand": "⏳", "robot_face": "🤖", "arrow_up": "⬆️",
    "arrow_down": "⬇️", "wrench": "🔧", "mag": "🔍", "book": "📖", "bar_chart": "📊", "link": "🔗",
    "large_yellow_square": "🟨", "large_red_square": "🟥", "speech_balloon": "💬",
}  # fmt: skip


def mrkdwn(text: object) -> Markup:
    """Finished pieces (code, links) wait under a number while the rest is styled, so nothing styles them."""
    pieces: list[Markup] = []

    def put_aside(match: re.Match[str]) -> str:
        pieces.append(_piece(match))
        return f"\ue000{len(pieces) - 1}\ue001"

    waiting = TOKEN.sub(put_aside, PRIVATE.sub("", str(text)))
    styled = _styled(str(escape(plain(waiting))))
    return Markup(PLACE.sub(lambda match: pieces[int(match.group(1))], styled))


def _styled(escaped: str) -> str:
    for pattern, tag in STYLES:
        escaped = pattern.sub(rf"<{tag}>\1</{tag}>", escaped)
    escaped = EMOJI.sub(lambda match: EMOJIS.get(match.group(1), match.group(0)), escaped)
    return QUOTE.sub(r"<q>\1</q>", escaped).replace("\n", "<br>")


def _piece(match: re.Match[str]) -> Markup:
    if match["pre"] is not None:
        return Markup("<pre>{}</pre>").format(plain(match["pre"].strip("\n")))
    if match["code"] is not None:
        return Markup("<code>{}</code>").format(plain(match["code"]))
    return _angle(match["angle"])


def _angle(inside: str) -> Markup:
    target, _, label = inside.partition("|")
    if target.startswith("!date^"):  # Slack shows the reader's own time; here, what it falls back to
        return escape(plain(label))
    if target.startswith(("!", "@")):
        return Markup('<b class="mention">{}</b>').format(plain(label or "@" + target.lstrip("!@")))
    if target.startswith("#"):
        return Markup('<b class="channel">{}</b>').format(plain("#" + label if label else target))
    return link(plain(target), plain(label or target))


def link(address: str, label: str) -> Markup:
    if not SAFE_ADDRESS.fullmatch(address):
        return escape(label)
    return Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>').format(address, label)


def markdown(text: object) -> Markup:
    """Enough of a Markdown block to read it: headings and bold become bold, links become links."""
    source = re.sub(r"^#{1,6} +(.+)$", r"*\1*", str(text), flags=re.MULTILINE).replace("**", "*")
    source = re.sub(r"\[([^\]\n|<>]+)\]\((https?://[^)\s|<>]+)\)", r"<\2|\1>", source)
    return mrkdwn(re.sub(r"^[-*] ", "• ", source, flags=re.MULTILINE))


def plain(text: str) -> str:
    """Slack's three entities, back to what they stand for."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
