"""Mail addresses: exactly the address that a reader sees, or an explained fault."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.network.mailboxes import Mailbox, parse_mailbox

READ = [
    ("ml@example.org", "", "ml@example.org"),
    ("  ml@example.org ", "", "ml@example.org"),
    ("<ml@example.org>", "", "ml@example.org"),
    ("ML <ml@example.org>", "ML", "ml@example.org"),
    ("ML<ml@example.org>", "ML", "ml@example.org"),
    ("Doe, John <j@example.org>", "Doe, John", "j@example.org"),
    ("Doe, John; Roe, Jane <j@example.org>", "Doe, John; Roe, Jane", "j@example.org"),
    ("ML [prod] <a@b.org>", "ML [prod]", "a@b.org"),
    ("ML (prod) <a@b.org>", "ML (prod)", "a@b.org"),
    ("ML: prod. <a@b.org>", "ML: prod.", "a@b.org"),
    (r"CORP\ada <a@b.org>", r"CORP\ada", "a@b.org"),
    ('"Doe, John" <j@example.org>', "Doe, John", "j@example.org"),
    (r'"John \"Jack\" \\ Doe" <j@example.org>', r'John "Jack" \ Doe', "j@example.org"),
    ('John "Jack" Doe <j@example.org>', 'John "Jack" Doe', "j@example.org"),
    ('"" <j@example.org>', "", "j@example.org"),
    ("ops@night <ops@example.org>", "ops@night", "ops@example.org"),
    ('"a@b, c" <ops@example.org>', "a@b, c", "ops@example.org"),
    ("Jörg Ünal <j@example.org>", "Jörg Ünal", "j@example.org"),
    ("=?utf-8?q?J=C3=B6rg=2C_=C3=9Cnal?= <j@example.org>", "Jörg, Ünal", "j@example.org"),
    ("=?no-such?q?x?= <j@example.org>", "=?no-such?q?x?=", "j@example.org"),
    ("ops@bücher.example", "", "ops@xn--bcher-kva.example"),
    ("Ops <ops@BÜCHER.example>", "Ops", "ops@xn--bcher-kva.example"),
    ("ops@straße.example", "", "ops@xn--strae-oqa.example"),
    ("ops@例え.テスト", "", "ops@xn--r8jz45g.xn--zckzah"),
    ("jörg@example.org", "", "jörg@example.org"),
    ("jo\u0308rg@example.org", "", "jörg@example.org"),
    ("a.b+c%d!#$&'*/=?^_`{|}~-@example.org", "", "a.b+c%d!#$&'*/=?^_`{|}~-@example.org"),
    ('"a b"@example.org', "", '"a b"@example.org'),
    ("a@[192.0.2.1]", "", "a@[192.0.2.1]"),
    ("a@[IPv6:2001:db8::1]", "", "a@[IPv6:2001:db8::1]"),
    ("root@localhost", "", "root@localhost"),
    ("ops@mail.internal", "", "ops@mail.internal"),
]


@pytest.mark.parametrize(("text", "name", "address"), READ, ids=[row[0] for row in READ])
def test_a_mailbox_is_parsed(text: str, name: str, address: str) -> None:
    box = parse_mailbox(text)
    assert (box.name, box.address) == (name, address)


TWO = ["a@x.org, b@y.org", "a@x.org,b@y.org", "a@x.org;b@y.org", "a@x.org, B <b@y.org>", "A <a@x.org>, B <b@y.org>"]
NONE = [
    "", " ", "a", "a@", "@b.org", "<>", "A <>", "A <a>", "A a@b.org", "a@b.org A", "a@b.org (A)", "a b@c.org",
    "a@b c.org",
    "a@@b.org", "a@b@c.org", ".a@b.org", "a.@b.org", "a..b@b.org", "a,b@c.org", "a;b@c.org", "a:b@c.org", "(a)b@c.org",
    "a@b..org", "a@.b.org", "a@b.org.", "a@-b.org", "a@b-.org", "a@b_c.org", "a@b.org:25", "a@[1.2.3]", "a@[1.2.3.4",
    "a@[::1]", "mailto:a@b.org", "team: a@b.org;", "A <a@b.org", "A a@b.org>", "A <a@b.org> x", "<a@b.org> A",
    "A <a@b.org>>", '"A <a@b.org>', '"a"b@c.org', 'a"b@c.org', "x" * 65 + "@b.org", "a@" + "x" * 64 + ".org",
    "a@" + "x." * 130 + "org", "a\u200b@b.org", "a\u202e@b.org", "a\u00a0b@c.org", "a@ex\u00ad\u2028ample.org",
]  # fmt: skip


@pytest.mark.parametrize("text", TWO)
def test_two_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="each as its own entry"):
        parse_mailbox(text)


@pytest.mark.parametrize("text", NONE)
def test_an_invalid_mailbox_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="mail address"):
        parse_mailbox(text)


@pytest.mark.parametrize("evil", ["\n", "\r", "\x00", "\x7f", "\u2028", "\x85", "\ud800"])
@pytest.mark.parametrize("text", ["A{} <a@b.org>", "a{}@b.org", "a@b.org{}", '"A{}" <a@b.org>'])
def test_characters_that_could_end_a_header_are_refused(text: str, evil: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        parse_mailbox(text.format(evil))


def test_encoded_words_cannot_end_a_header() -> None:
    with pytest.raises(ValueError, match="control characters"):
        parse_mailbox("=?utf-8?q?A=0D=0ABcc=3A_x@y.org?= <a@b.org>")


def test_the_advice_does_not_repeat_the_text() -> None:
    with pytest.raises(ValueError, match="perhaps two") as caught:
        parse_mailbox("a@x.org; b@y.org")
    assert str(caught.value).partition("; ")[2] == "write each as its own entry"


PIECES = ["a", "ö", "@", "b.org", "<", ">", '"', "\\", ",", ";", " ", "(", ")", "[", "]", ".", "=?utf-8?q?x?="]
pieces = st.sampled_from(PIECES)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(pieces, max_size=12).map("".join)))
def test_any_text_is_a_mailbox_or_a_fault(text: str) -> None:
    try:
        box = parse_mailbox(text)
    except ValueError:
        return
    again = parse_mailbox(box.address)
    assert Mailbox(box.name, again.local, again.domain) == box
    assert box.domain.isascii()
    if box.local.isascii() and not box.local.startswith('"'):
        assert f"{box.local}@".casefold() in text.casefold(), "what is before the @ is never changed"
