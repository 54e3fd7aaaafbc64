"""Who the caller is: behind which proxies, for which host; and what counts as this machine."""

from collections.abc import Mapping

import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from bridge.app.settings import load_text
from bridge.config.settings import Settings
from bridge.web.callers import caller_of, from_another_site, is_proxy
from bridge.web.forwarded import Hops, hops_of
from tests.web.web_fakes import ENVIRON, PLAIN

HERE = "http://127.0.0.1:9119"
PROXY, EDGE, CLIENT = "127.0.0.1", "10.0.0.7", "203.0.113.9"
TRUSTING = 'web: {trusted_proxies: [127.0.0.1, "::1", 10.0.0.0/24]}\n'
PUBLIC = "external_url: https://bridge.example.org\n"


def settings(more: str = "") -> Settings:
    return load_text(PLAIN + more, ENVIRON)


def request(peer: str = PROXY, base: str = HERE, protocol: str = "HTTP/1.1", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    environ = EnvironBuilder(base_url=base, headers=Headers(named)).get_environ()
    return Request({**environ, "REMOTE_ADDR": peer, "SERVER_PROTOCOL": protocol})


PROXIES = settings(TRUSTING).web.trusted_proxies


def hops(headers: Mapping[str, str] | list[tuple[str, str]]) -> Hops:
    return hops_of(Headers(headers), lambda text: is_proxy(text, PROXIES))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "host", ["127.0.0.1:9119", "127.0.0.1", "localhost:9119", "LOCALHOST", "[::1]:9119", "127.3.2.1:1", "[::1]"]
)
def test_a_loopback_connection_to_a_loopback_host_is_local(peer: str, host: str) -> None:
    assert caller_of(request(peer, f"http://{host}"), settings()).local


@pytest.mark.parametrize("peer", ["10.0.0.9", "::ffff:10.0.0.9", "fe80::1%eth0", "", "x", "0.0.0.0"])
def test_a_connection_from_elsewhere_is_never_local(peer: str) -> None:
    for more in ("", TRUSTING):
        for headers in ({}, {"X_Forwarded_For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}):
            assert not caller_of(request(peer, **headers), settings(more)).local


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:9119", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0:9119", "",
        "127.0.0.1@evil.example", "evil.example, 127.0.0.1", "127.0.0.1, evil.example", "0x7f.1", "2130706433",
        "0177.0.0.1", "[::]:9119", "[::1", "localhost:x", "10.0.0.7:9119", "bridge.example.org",
    ],
)  # fmt: skip
def test_a_foreign_host_makes_a_caller_remote(host: str) -> None:
    """DNS rebinding: a page of evil.example that resolves to 127.0.0.1 makes a loopback connection too."""
    caller = caller_of(request(Host=host, Origin=f"http://{host}"), settings())
    assert "it asks for the host" in caller.remote


def test_the_host_of_external_url_is_accepted() -> None:
    for host in ("bridge.example.org", "BRIDGE.example.org:443", "127.0.0.1:9119"):
        assert caller_of(request(Host=host), settings(PUBLIC)).local
    assert not caller_of(request(Host="bridge.example.org.evil.example"), settings(PUBLIC)).local


@pytest.mark.parametrize(
    "name",
    ["Forwarded", "X_Forwarded_For", "X_Forwarded_Host", "X_Forwarded_Proto", "X_Forwarded_Port", "X_Real_IP", "Via",
     "X_Forwarded_Server", "CF_Connecting_IP", "True_Client_IP", "X_Client_IP"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["127.0.0.1", "for=127.0.0.1", "localhost", "http", ""])
def test_proxy_headers_of_an_untrusted_caller_make_it_remote(name: str, value: str) -> None:
    caller = caller_of(request(**{name: value}), settings())
    assert not caller.local and caller.address == "127.0.0.1"


def test_a_request_of_an_unconfigured_proxy_is_remote() -> None:
    """nginx with only proxy_pass: HTTP/1.0, the host of its upstream, and no proxy header."""
    assert "HTTP/1.0" in caller_of(request(protocol="HTTP/1.0"), settings()).remote


def test_a_trusted_proxy_must_name_the_client() -> None:
    assert "does not name one client" in caller_of(request(), settings(TRUSTING)).remote
    for unclear in ("unknown", "_hidden", "", "evil.example", "127.0.0.1, x"):
        assert not caller_of(request(X_Forwarded_For=unclear), settings(TRUSTING)).local
    assert caller_of(request(X_Forwarded_For="127.0.0.1"), settings(TRUSTING)).local
    assert caller_of(request(protocol="HTTP/1.0", X_Forwarded_For="::1"), settings(TRUSTING)).local
    assert not caller_of(request(X_Forwarded_For="127.0.0.1", X_Real_IP=CLIENT), settings(TRUSTING)).local


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"X-Forwarded-For": CLIENT}, CLIENT),
        ({"X-Forwarded-For": f"127.0.0.1, {CLIENT}"}, CLIENT),
        ({"X-Forwarded-For": f"127.0.0.1, {CLIENT}, {EDGE}"}, CLIENT),
        ({"X-Forwarded-For": f"{CLIENT}:4711"}, CLIENT),
        ({"X-Forwarded-For": "[2001:db8::1]:4711"}, "2001:db8::1"),
        ({"X-Forwarded-For": "2001:db8::1"}, "2001:db8::1"),
        ({"X-Forwarded-For": "127.0.0.1, nonsense"}, ""),
        ({"X-Forwarded-For": "nonsense, 127.0.0.1"}, ""),
        ({"X-Forwarded-For": ", ".join(["127.0.0.1"] * 60)}, ""),
        ({"Forwarded": f"for={CLIENT};proto=https;host=b.example"}, CLIENT),
        ({"Forwarded": f'for=127.0.0.1, For="{CLIENT}:80"'}, CLIENT),
        ({"Forwarded": f'for="[2001:db8::1]:80", for={EDGE}'}, "2001:db8::1"),
        ({"Forwarded": "for=unknown"}, ""),
        ({"Forwarded": 'for="127.0.0.1'}, ""),
        ({"Forwarded": "for=127.0.0.1 for=127.0.0.1"}, ""),
        ({"Forwarded": "by=10.0.0.7"}, ""),
        ({"Forwarded": f"for={CLIENT}", "X-Forwarded-For": CLIENT}, CLIENT),
        ({"Forwarded": "for=127.0.0.1", "X-Forwarded-For": CLIENT}, ""),
        ({"Forwarded": f"for={CLIENT}", "X-Forwarded-For": "127.0.0.1"}, ""),
        ({"Forwarded": f"for={CLIENT}", "X-Forwarded-Proto": "https"}, CLIENT),
        ({"X-Forwarded-Proto": "https"}, ""),
        ({}, ""),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_proxy(headers: Mapping[str, str], client: str) -> None:
    assert hops(headers).client == client


def test_two_headers_of_one_name_are_one_list() -> None:
    assert hops([("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", CLIENT)]).client == CLIENT


def x_forwarded(address: str, host: str, proto: str) -> dict[str, str]:
    return {"X-Forwarded-For": address, "X-Forwarded-Host": host, "X-Forwarded-Proto": proto}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (x_forwarded(CLIENT, "b.example", "https"), ("b.example", "https")),
        (x_forwarded(CLIENT, "evil, b.example", "http, HTTPS"), ("b.example", "https")),
        (x_forwarded(f"{CLIENT}, {EDGE}", "evil, b.example, inner", "https, http"), ("b.example", "https")),
        (x_forwarded(CLIENT, "", "javascript"), ("", "")),
        (
            {"Forwarded": f'for=x;host=evil;proto=http, for={CLIENT};host="b.example:80";proto=https, for={EDGE}'},
            ("b.example:80", "https"),
        ),
    ],
)
def test_host_and_scheme_are_those_of_the_outermost_trusted_proxy(
    headers: Mapping[str, str], expected: tuple[str, str]
) -> None:
    assert (hops(headers).host, hops(headers).scheme) == expected


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_header_is_parsed(one: str, other: str) -> None:
    clean = {"Forwarded": " ".join(one.splitlines()), "X-Forwarded-For": " ".join(other.splitlines())}
    assert isinstance(hops(clean), Hops)


def test_every_named_host_must_be_accepted() -> None:
    """A page of evil.example, through a proxy on the user's own machine, may add any header."""
    spoofed = request(Host="evil.example", X_Forwarded_For="127.0.0.1, 127.0.0.1", X_Forwarded_Host="127.0.0.1:9119")
    assert not caller_of(spoofed, settings(TRUSTING)).local
    named = request(X_Forwarded_For="127.0.0.1", X_Forwarded_Host="evil.example")
    assert not caller_of(named, settings(TRUSTING)).local


@pytest.mark.parametrize(
    ("more", "headers", "other"),
    [
        ("", {}, False),
        ("", {"Origin": "http://127.0.0.1:9119"}, False),
        ("", {"Origin": "https://127.0.0.1:9119"}, True),
        ("", {"Origin": "null"}, True),
        ("", {"Origin": "http://evil.example"}, True),
        ("", {"Sec_Fetch_Site": "same-origin"}, False),
        ("", {"Sec_Fetch_Site": "cross-site"}, True),
        ("", {"Sec_Fetch_Site": "same-site", "Origin": "http://127.0.0.1:9119"}, True),
        (PUBLIC, {"Origin": "https://bridge.example.org"}, False),
        (PUBLIC, {"Origin": "https://bridge.example.org:443"}, False),
        (PUBLIC, {"Origin": "http://bridge.example.org"}, True),
        (PUBLIC, {"Origin": "https://bridge.example.org.evil.example"}, True),
        (TRUSTING, {"Host": "b.example", "Origin": "https://b.example", "X_Forwarded_Proto": "https"}, False),
        (TRUSTING, {"Origin": "https://b", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "b"}, False),
        (TRUSTING, {"Host": "b.example", "Origin": "https://b.example"}, True),
        ("", {"Host": "b.example", "Origin": "https://b.example", "X_Forwarded_Proto": "https"}, True),
    ],
)  # fmt: skip
def test_a_request_from_another_site_is_detected(more: str, headers: Mapping[str, str], other: bool) -> None:
    assert from_another_site(request(**headers), settings(more)) == other
