"""Pictures in each channel: beside the HTML of a mail, in Slack's thread, as links for PagerDuty."""

from __future__ import annotations

import asyncio
import email
import email.policy
from email.message import EmailMessage

import pytest

from bridge.channels.email.message import mail_bytes
from bridge.channels.pagerduty.events import events_of
from bridge.core.errors import SendError
from bridge.core.ports import Illustration
from dev.sandbox.running import RunningSandbox
from tests.channels.channel_builders import a_claim, a_message, a_slack
from tests.channels.sending import send

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PICTURE = Illustration(
    "Errors", 'Errors rise to 7 % at 03:12 "now" <b>', PNG, "https://bridge.example/pictures/a.png?x=1"
)
MARKED = "<html><body><p>API is slow</p><!-- pictures --><p>end</p></body></html>"


def a_mail(html: str) -> EmailMessage:
    message = a_message(html=html, pictures=(PICTURE,))
    content = mail_bytes(message, "o@example.org", "b@example.org", "bridge.example", shrink=False)
    again = mail_bytes(message, "o@example.org", "b@example.org", "bridge.example", shrink=False)
    assert content == again
    assert max(map(len, content.split(b"\r\n"))) <= 998
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


@pytest.mark.parametrize("html", [MARKED, "<html><body><p>API is slow</p></body></html>", "<p>bare</p>"])
def test_a_mail_carries_its_pictures_beside_its_html(html: str) -> None:
    parsed = a_mail(html)
    plain, related = parsed.iter_parts()
    assert (plain.get_content_type(), related.get_content_type()) == ("text/plain", "multipart/related")
    shown, image = related.iter_parts()
    assert (image.get_content_type(), image.get_content()) == ("image/png", PNG)
    text = shown.get_content()
    assert f'<img class="chart" src="cid:{image["Content-ID"].strip("<>")}"' in text
    assert 'alt="Errors rise to 7 % at 03:12 &quot;now&quot; &lt;b&gt;"' in text
    assert "<b>" not in text


def test_the_pictures_stand_where_the_template_wants_them() -> None:
    text = next(part for part in a_mail(MARKED).walk() if part.get_content_type() == "text/html").get_content()
    assert text.index("API is slow") < text.index("<img") < text.index("<p>end")


@pytest.mark.parametrize("pictures", [(), (PICTURE,)], ids=["alone", "with pictures"])
@pytest.mark.parametrize("html", ["", f"{MARKED}\n<p>ü · {'long ' * 40}</p>\n"], ids=["plain", "html"])
def test_a_mail_is_written_as_the_standard_library_would(html: str, pictures: tuple[Illustration, ...]) -> None:
    message = a_message(html=html, text="From the start\n.\nand on\n", pictures=pictures)
    content = mail_bytes(message, "o@example.org", "Ü <b@example.org>", "bridge.example", shrink=False)
    policy = email.policy.compat32.clone(linesep="\r\n", max_line_length=0, mangle_from_=False)
    assert email.message_from_bytes(content, policy=policy).as_bytes(policy=policy) == content


def test_the_smallest_mail_has_none() -> None:
    message = a_message(pictures=(PICTURE,))
    assert b"image/png" not in mail_bytes(message, "o@example.org", "b@example.org", "x.org", shrink=True)


def test_slack_shows_them_in_the_thread(vendors: RunningSandbox) -> None:
    channel = a_slack(vendors.slack_base_url)

    async def both() -> None:
        message, claim = a_message(), a_claim()
        receipt = await channel.send(channel.compose(message, claim), message, claim)
        await channel.illustrate(PICTURE, receipt.handle)
        await channel.close()

    asyncio.run(both())
    (message,) = vendors.state["slack"]["channels"]["alerts"]["messages"]
    assert [file["title"] for reply in message["thread"] for file in reply["files"]] == ["Errors"]


def test_a_picture_that_slack_refuses_is_a_send_error(vendors: RunningSandbox) -> None:
    handle = send(a_slack(vendors.slack_base_url)).handle
    vendors.fault(target="slack", kind="ok_false", error="missing_scope")
    channel = a_slack(vendors.slack_base_url)

    async def illustrate() -> None:
        try:
            await channel.illustrate(PICTURE, handle)
        finally:
            await channel.close()

    with pytest.raises(SendError, match="missing_scope"):
        asyncio.run(illustrate())


@pytest.mark.parametrize(("url", "shown"), [(PICTURE.url, 1), ("http://127.0.0.1:9119/pictures/a.png", 0), (None, 0)])
def test_pagerduty_gets_links_that_it_can_follow(url: str | None, shown: int) -> None:
    picture = Illustration(PICTURE.title, PICTURE.alt, PNG, url)
    (event,) = events_of(a_message(pictures=(picture,)), a_claim())
    assert len(event.get("images", [])) == shown
