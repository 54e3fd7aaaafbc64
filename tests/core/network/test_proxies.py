"""Which proxy a URL takes: the environment's variables, their precedence, and what NO_PROXY leaves out."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.network.proxies import NAMES, Proxy, UnusableProxy, is_direct, proxy_for, unusable_proxies

HTTPS, HTTP, ALL = "http://secure:1", "http://plain:2", "http://every:3"
PAGERDUTY, INSIDE = "https://events.pagerduty.com/v2/enqueue", "http://prometheus:9090/api/v1/query"


def proxy_of(url: str, **environ: str) -> str | None:
    proxy = proxy_for(url, environ)
    return proxy.url if proxy else None


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        pytest.param(PAGERDUTY, {}, None, id="none at all"),
        pytest.param(PAGERDUTY, {"HTTPS_PROXY": HTTPS}, HTTPS, id="https"),
        pytest.param(INSIDE, {"HTTPS_PROXY": HTTPS}, None, id="HTTPS_PROXY is not for http"),
        pytest.param(INSIDE, {"HTTP_PROXY": HTTP}, HTTP, id="http"),
        pytest.param(PAGERDUTY, {"HTTP_PROXY": HTTP}, None, id="HTTP_PROXY is not for https"),
        pytest.param(PAGERDUTY, {"ALL_PROXY": ALL, "HTTP_PROXY": HTTP}, ALL, id="ALL_PROXY for what has none"),
        pytest.param(PAGERDUTY, {"ALL_PROXY": ALL, "HTTPS_PROXY": HTTPS}, HTTPS, id="its own before ALL_PROXY"),
        pytest.param(PAGERDUTY, {"https_proxy": HTTPS, "HTTPS_PROXY": ALL}, HTTPS, id="small letters win"),
        pytest.param(PAGERDUTY, {"https_proxy": "", "HTTPS_PROXY": ALL}, None, id="also when they are empty"),
        pytest.param(PAGERDUTY, {"https_proxy": " http://secure:1 "}, HTTPS, id="blanks around"),
        pytest.param(PAGERDUTY, {"HTTPS_PROXY": "secure:1"}, HTTPS, id="without a scheme"),
        pytest.param(PAGERDUTY, {"HTTPS_PROXY": "HTTPS://secure:1/"}, "https://secure:1", id="over TLS, with a path"),
        pytest.param(PAGERDUTY, {"HTTPS_PROXY": "http://[fd00::1]:1"}, "http://[fd00::1]:1", id="an IPv6 proxy"),
        pytest.param(PAGERDUTY, {"HTTPS_PROXY": "http://secure"}, "http://secure", id="without a port"),
        pytest.param(PAGERDUTY, {"HTTPS_PROXY": HTTPS, "NO_PROXY": "pagerduty.com"}, None, id="NO_PROXY"),
        pytest.param(PAGERDUTY, {"HTTPS_PROXY": HTTPS, "no_proxy": "", "NO_PROXY": "*"}, HTTPS, id="no_proxy wins"),
    ],
)
def test_the_variables_have_their_precedence(url: str, environ: dict[str, str], expected: str | None) -> None:
    assert proxy_of(url, **environ) == expected


DIRECT = [
    ("example.org", 443, "*"),
    ("example.org", 443, "example.org"),
    ("EXAMPLE.org.", 443, "example.ORG"),
    ("a.b.example.org", 443, "example.org"),
    ("a.example.org", 443, ".example.org"),
    ("example.org", 443, ".example.org"),
    ("a.example.org", 443, "*.example.org"),
    ("example.org", 8443, "example.org:8443"),
    ("a.example.org", 8443, ".example.org:8443"),
    ("example.org", 443, "nowhere, example.org,"),
    ("example.org", 443, "nowhere example.org"),
    ("10.1.2.3", 80, "10.1.2.3"),
    ("10.1.2.3", 9090, "10.1.2.3:9090"),
    ("10.1.2.3", 80, "10.0.0.0/8"),
    ("10.1.2.3", 80, "10.9.9.9/8"),
    ("10.1.2.3", 80, "192.168.0.0/16,10.1.0.0/255.255.0.0"),
    ("::1", 80, "::1"),
    ("::1", 80, "[::1]"),
    ("::1", 8080, "[::1]:8080"),
    ("0:0:0:0:0:0:0:1", 80, "::1"),
    ("fd00::7", 80, "fd00::/8"),
    ("::ffff:10.1.2.3", 80, "10.0.0.0/8"),
    ("bücher.example", 443, "xn--bcher-kva.example"),
    ("xn--bcher-kva.example", 443, "*.bücher.example"),
    ("straße.example", 443, "xn--strae-oqa.example"),
]
PROXIED = [
    ("example.org", 443, ""),
    ("example.org", 443, ".,:,/,*.,[]"),
    ("badexample.org", 443, "example.org"),
    ("example.org", 443, "a.example.org"),
    ("example.org.evil", 443, "example.org"),
    ("example.org", 443, "example.org:8443"),
    ("10.1.2.3", 80, "10.1.2.3:81"),
    ("10.1.2.3", 80, "1.2.3"),
    ("110.1.2.3", 80, "10.1.2.3"),
    ("11.1.2.3", 80, "10.0.0.0/8"),
    ("10.1.2.3", 80, "10.0.0.0/99,a/b,::/0"),
    ("ten.example", 80, "10.0.0.0/8"),
    ("::2", 80, "::1"),
]


@pytest.mark.parametrize(("host", "port", "no_proxy"), DIRECT, ids=[f"{row[0]}:{row[1]} {row[2]}" for row in DIRECT])
def test_hosts_that_no_proxy_excludes(host: str, port: int, no_proxy: str) -> None:
    assert is_direct(host, port, no_proxy)
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if port == 443 else "http"
    assert proxy_of(f"{scheme}://{shown}:{port}/x", ALL_PROXY=ALL, NO_PROXY=no_proxy) is None


@pytest.mark.parametrize(("host", "port", "no_proxy"), PROXIED, ids=[f"{row[0]}:{row[1]} {row[2]}" for row in PROXIED])
def test_hosts_that_no_proxy_does_not_exclude(host: str, port: int, no_proxy: str) -> None:
    assert not is_direct(host, port, no_proxy)


def test_the_default_port_is_that_of_the_scheme() -> None:
    assert proxy_of(PAGERDUTY, HTTPS_PROXY=HTTPS, NO_PROXY="events.pagerduty.com:443") is None
    assert proxy_of(PAGERDUTY, HTTPS_PROXY=HTTPS, NO_PROXY="events.pagerduty.com:80") == HTTPS


def test_a_login_is_removed_from_the_url_and_never_shown() -> None:
    proxy = proxy_for(PAGERDUTY, {"HTTPS_PROXY": "http://j%C3%B6rg:p%40%E2%82%AC%3A@secure:1"})
    assert proxy is not None
    assert proxy.url == "http://secure:1"
    assert base64.b64decode(proxy.authorization.removeprefix("Basic ")).decode() == "jörg:p@€:"
    assert proxy.authorization not in repr(proxy)
    assert proxy_for(PAGERDUTY, {"HTTPS_PROXY": "http://u@secure:1"}) == Proxy("http://secure:1", "Basic dTo=")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("socks5://u:hush@proxy:1080", "names a socks5 proxy"),
        ("socks5h://u:hush@proxy:1080", "http:// and https:// proxies only"),
        ("http://", "is not a proxy address"),
        ("http://u:hush#x@proxy:1", "%23"),
        ("http://u:hush@proxy:port", "is not a proxy address"),
        ("http://u:hush@proxy:0", "is not a proxy address"),
        ("http://[hush", "is not a proxy address"),
        ("u:hush://proxy", "is not a proxy address"),
    ],
)
def test_an_unusable_proxy_is_explained_without_its_password(value: str, message: str) -> None:
    with pytest.raises(UnusableProxy, match=message) as caught:
        proxy_for(PAGERDUTY, {"HTTPS_PROXY": value})
    assert str(caught.value).startswith("HTTPS_PROXY ")
    assert "hush" not in f"{caught.value} {caught.value.__cause__} {caught.value.args}"
    assert unusable_proxies({"https_proxy": value, "HTTP_PROXY": HTTP}) == [str(caught.value)]
    assert proxy_of(INSIDE, https_proxy=value, HTTP_PROXY=HTTP) == HTTP


words = st.one_of(st.text(max_size=30), st.sampled_from([HTTPS, "::1", "10.0.0.0/8", "[::1]:80", "*", ".", "a.b:1"]))
hosts = st.sampled_from(["example.org", "10.1.2.3", "[::1]", "bücher.example", "a..b", "xn--"])


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*NAMES, *map(str.upper, NAMES)]), words), hosts)
def test_any_environment_gives_a_proxy_none_or_an_explanation(environ: dict[str, str], host: str) -> None:
    try:
        proxy = proxy_for(f"https://{host}/", environ)
    except UnusableProxy:
        return
    assert proxy is None or proxy.url.startswith(("http://", "https://"))
