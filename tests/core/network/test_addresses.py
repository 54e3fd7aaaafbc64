"""Addresses to listen on: which are accepted, which are refused with which advice, and which are loopback."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.network.addresses import Address, is_loopback, parse_listen


@pytest.mark.parametrize(
    ("text", "address", "loopback"),
    [
        ("127.0.0.1:9119", Address("127.0.0.1", 9119), True),
        (" 127.0.0.1:9119\n", Address("127.0.0.1", 9119), True),
        ("localhost:1", Address("localhost", 1), True),
        ("LOCALHOST.:65535", Address("LOCALHOST.", 65535), True),
        ("[::1]:9119", Address("::1", 9119), True),
        ("[::ffff:127.0.0.1]:9119", Address("::ffff:127.0.0.1", 9119), True),
        ("[::]:9119", Address("::", 9119), False),
        ("[fe80::1%eth0]:9119", Address("fe80::1%eth0", 9119), False),
        ("0.0.0.0:9119", Address("0.0.0.0", 9119), False),
        (":9119", Address("0.0.0.0", 9119), False),
        ("*:9119", Address("0.0.0.0", 9119), False),
        ("bridge.example.org:9119", Address("bridge.example.org", 9119), False),
        ("127.1:9119", Address("127.1", 9119), False),
        ("0:9119", Address("0", 9119), False),
    ],
)
def test_a_valid_address_is_parsed(text: str, address: Address, loopback: bool) -> None:
    assert (parse_listen(text), parse_listen(text).loopback) == (address, loopback)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("22412", "127.0.0.1:22412"),
        ("", "HOST:PORT"),
        ("host", "HOST:PORT"),
        ("host:", "HOST:PORT"),
        ("host:port", "HOST:PORT"),
        ("host:-1", "HOST:PORT"),
        ("host:+80", "HOST:PORT"),
        ("host:8 0", "HOST:PORT"),
        ("host:٩١١٩", "HOST:PORT"),
        ("ho st:80", "HOST:PORT"),
        ("user@host:80", "HOST:PORT"),
        ("host\x00:80", "HOST:PORT"),
        ("[::1]", "HOST:PORT"),
        ("[::1:9119", "HOST:PORT"),
        ("::1]:9119", "[::1]:9119"),
        ("host:0", "1 to 65535"),
        ("host:65536", "1 to 65535"),
        ("host:99999", "1 to 65535"),
        ("host:9" + "9" * 5000, "1 to 65535"),
        ("::1:9119", "[::1]:9119"),
        ("::1", "[::1]:9119"),
        ("fe80::1", "[::1]:9119"),
        ("[]:9119", "[::1]:9119"),
        ("[host]:9119", "[::1]:9119"),
        ("http://127.0.0.1:9119", "leave http:// out"),
        ("unix:/run/bridge.sock", "listens on TCP"),
        ("/run/bridge.sock", "listens on TCP"),
        ("./bridge.sock", "listens on TCP"),
    ],
)
def test_an_invalid_address_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match="is not an address to listen on") as refused:
        parse_listen(text)
    assert advice in str(refused.value)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_an_address_or_refused_with_an_explanation(text: str) -> None:
    try:
        address = parse_listen(text)
    except ValueError as refused:
        assert "is not an address to listen on" in str(refused)
    else:
        assert parse_listen(str(address)) == address


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "a.localhost", "Localhost."])
def test_these_hosts_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "notlocalhost", "127.0.0.1.example.org", "0"]
)
def test_these_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)
