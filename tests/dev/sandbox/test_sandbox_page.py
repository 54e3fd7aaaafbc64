"""The page: it renders what came in, escapes all of it, and its stream names what changed."""

import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.sandbox.mrkdwn import markdown, mrkdwn
from dev.sandbox.running import RunningSandbox
from tests.dev.sandbox.calls import a_mail, an_event, enqueue, posted, request, send, slack

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"


def _page(sandbox: RunningSandbox, query: str = "") -> str:
    status, headers, body = request(f"{sandbox.http_url}/{query}")
    assert status == 200
    assert "script-src 'self'" in headers["content-security-policy"]
    return body.decode()


def _send_hostile_text_everywhere(sandbox: RunningSandbox) -> None:
    payload: dict[str, Any] = {
        "summary": HOSTILE,
        "source": HOSTILE,
        "severity": "critical",
        "component": HOSTILE,
    }
    payload |= {"custom_details": {HOSTILE: HOSTILE, "nested": {"x": [HOSTILE]}}}
    links = [{"href": 'https://example.org/"><script>alert(1)</script>', "text": HOSTILE}]
    enqueue(sandbox, an_event(dedup_key=HOSTILE, payload=payload, links=links, client=HOSTILE, client_url=HOSTILE))
    words = {"type": "mrkdwn", "text": HOSTILE}
    blocks = [{"type": "section", "text": words, "fields": [words]}, {"type": "markdown", "text": HOSTILE}]
    blocks += [{"type": "context", "elements": [words]}, {"type": "rich_text", "elements": [HOSTILE]}]
    posted(sandbox, HOSTILE, blocks=blocks, username=HOSTILE)
    posted(
        sandbox,
        HOSTILE,
        attachments=[{"color": HOSTILE, "title": HOSTILE, "title_link": "javascript:alert(1)"}],
    )
    mail = a_mail(html=HOSTILE)
    mail.replace_header("Subject", HOSTILE)
    send(sandbox, mail)


@pytest.mark.parametrize("query", ["", "?mail=1", "?mail=1&tab=text", "?mail=1&tab=headers"])
def test_hostile_text_is_shown_as_text(sandbox: RunningSandbox, query: str) -> None:
    _send_hostile_text_everywhere(sandbox)
    page = _page(sandbox, query).lower()
    assert "&lt;script&gt;" in page
    for bad in ("<script>", "<img src=x", 'href="javascript', "style="):
        assert bad not in page


def test_a_mails_html_is_served_behind_a_sandbox(sandbox: RunningSandbox) -> None:
    send(sandbox, a_mail(html="<p>hi</p><script>alert(1)</script>"))
    _, headers, body = request(sandbox.http_url + "/mail/1/html")
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert b"<p>hi</p>" in body
    assert '<iframe sandbox="" src="/mail/1/html"' in _page(sandbox, "?mail=1")


def test_the_page_shows_states_threads_and_edits(sandbox: RunningSandbox) -> None:
    for action in ("trigger", "acknowledge"):
        enqueue(sandbox, an_event(action))
    first = posted(sandbox, "*bold* <https://example.org|docs>", attachments=[{"color": "#d00", "text": "a"}])
    posted(sandbox, "in the thread", thread_ts=first["ts"], reply_broadcast=True)
    slack(sandbox, "chat.update", channel=first["channel"], ts=first["ts"], text="*again*")
    page = _page(sandbox)
    for shown in ("acknowledged", "<strong>again</strong>", "edited", "also sent to the channel", "1 reply"):
        assert shown in page


def test_nested_details_read_as_names_and_values(sandbox: RunningSandbox) -> None:
    details = {"facts": {"Errors": "7.3 %"}, "firing": [{"alert": "Slow"}], "resolved": [], "deep": [[[[["x"]]]]]}
    payload = {"summary": "s", "source": "s", "severity": "critical", "custom_details": details}
    enqueue(sandbox, an_event(payload=payload))
    page = _page(sandbox)
    for shown in ("<dt>Errors</dt><dd>7.3 %</dd>", "<dt>alert</dt><dd>Slow</dd>", '<span class="soft">none</span>'):
        assert shown in page
    assert "&#34;x&#34;" in page


def test_fields_and_small_print_of_a_section_are_each_on_their_own(sandbox: RunningSandbox) -> None:
    fields = [{"type": "mrkdwn", "text": f"*Fact {number}*\n1 %"} for number in range(2)]
    small = {"type": "context", "elements": [{"type": "mrkdwn", "text": "Measured at 10:00"}]}
    posted(sandbox, "x", attachments=[{"blocks": [{"type": "section", "fields": fields}, small]}])
    page = _page(sandbox)
    assert "<div><strong>Fact 0</strong><br>1 %</div><div><strong>Fact 1</strong><br>1 %</div>" in page
    assert '<div class="context"><span>Measured at 10:00</span></div>' in page


@pytest.mark.parametrize("path", ["/favicon.ico", "/static/icon.svg"])
def test_the_icon_is_wherever_a_browser_looks_for_it(sandbox: RunningSandbox, path: str) -> None:
    status, headers, body = request(f"{sandbox.http_url}{path}")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "image/svg+xml")
    assert b"<svg" in body


def test_a_page_that_does_not_exist_is_a_404(sandbox: RunningSandbox) -> None:
    for path in ("/fragment/nothing", "/mail/99/html", "/mail/x/raw", "/files/F1"):
        assert request(sandbox.http_url + path)[0] == 404


def test_the_stream_names_the_part_that_changed(sandbox: RunningSandbox) -> None:
    parts = urlsplit(sandbox.http_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request("GET", "/stream")
    response = connection.getresponse()
    _read_change(response)
    enqueue(sandbox, an_event())
    assert _read_change(response) == b'data: ["pagerduty"]'
    connection.close()


def _read_change(response: http.client.HTTPResponse) -> bytes:
    while not (line := response.readline()).startswith(b"data:"):
        assert line
    return line.strip()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*b* _i_ ~s~ `c`", "<strong>b</strong> <em>i</em> <s>s</s> <code>c</code>"),
        ("a_b_c 2*3*4", "a_b_c 2*3*4"),
        ("&lt;!channel&gt; &amp;amp;", "&lt;!channel&gt; &amp;amp;"),
        ("<!here>", '<b class="mention">@here</b>'),
        ("```a\n<b>```", "<pre>a\n&lt;b&gt;</pre>"),
        ("<javascript:alert(1)|x>", "x"),
        ("> said", "<q>said</q>"),
        ("since <!date^1700000000^{date_short}|14 Nov>", "since 14 Nov"),
        ("<!date^1^{date}|&lt;b&gt;>", "&lt;b&gt;"),
    ],
)
def test_mrkdwn_becomes_html(text: str, html: str) -> None:
    assert str(mrkdwn(text)) == html


def test_a_bold_link_is_both() -> None:
    anchor = '<a href="https://e.org/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">x</a>'
    assert str(mrkdwn("*<https://e.org/?a=1&amp;b=2|x>*")) == f"<strong>{anchor}</strong>"


@given(st.text(alphabet="<>&;\"'*_~`|!@#:/\\\n abcscripthttp\ue000\ue0010123"))
def test_no_text_makes_a_tag_of_its_own(text: str) -> None:
    for html in (str(mrkdwn(text)), str(markdown(text))):
        tags = [piece.split(">")[0].split(" ")[0].lstrip("/") for piece in html.split("<")[1:]]
        assert set(tags) <= {"strong", "em", "s", "q", "br", "code", "pre", "a", "b"}
