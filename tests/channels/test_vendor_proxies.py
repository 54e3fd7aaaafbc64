"""The environment's proxies, for everything that calls a vendor, through a real proxy that counts."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from pathlib import Path

import pytest

from bridge.core.errors import Reason, SendError
from bridge.outbound.trust import trusted
from tests.channels.hostile_vendor import dripping, running_vendor
from tests.channels.small_proxy import running_proxy
from tests.channels.vendor_callers import CALLERS, SENDERS, Caller, healthy

LOGIN = "j%C3%B6rg:hush%40%E2%82%AC"
SECRET = "hush"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def called(kind: str, url: str) -> None:
    async def work() -> None:
        caller = Caller(kind, url, 30)
        try:
            assert await caller.call() == ""
        finally:
            await caller.close()

    asyncio.run(work())


def failure(kind: str, url: str, seconds: float = 30) -> tuple[str, bool]:
    async def work() -> tuple[str, bool]:
        caller = Caller(kind, url, seconds)
        try:
            return await caller.fails()
        finally:
            await caller.close()

    return asyncio.run(work())


@pytest.mark.parametrize("kind", CALLERS)
def test_each_scheme_takes_its_own_proxy(kind: str, believed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, secure = running_vendor(healthy(kind)), running_vendor(healthy(kind), tls=believed)
    with running_proxy() as proxy, plain as vendor, secure as vendor_over_tls:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url())
        called(kind, vendor.url())
        assert proxy.asked == [], "HTTPS_PROXY is not for http"
        called(kind, vendor_over_tls.url("https"))
        assert set(proxy.asked) == {f"CONNECT 127.0.0.1:{vendor_over_tls.port} HTTP/1.1"}
        proxy.asked.clear()
        monkeypatch.delenv("HTTPS_PROXY")
        monkeypatch.setenv("HTTP_PROXY", proxy.url())
        called(kind, vendor_over_tls.url("https"))
        assert proxy.asked == [], "HTTP_PROXY is not for https"
        called(kind, vendor.url())
        assert proxy.asked
        assert all(f" http://127.0.0.1:{vendor.port}" in line for line in proxy.asked)


@pytest.mark.parametrize("no_proxy", ["127.0.0.0/8", "*", "127.0.0.1", "10.0.0.0/8,127.0.0.1:{port}"])
@pytest.mark.parametrize("kind", CALLERS)
def test_no_proxy_holds_for_all(kind: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_proxy() as proxy, running_vendor(healthy(kind)) as vendor:
        monkeypatch.setenv("all_proxy", proxy.url())
        monkeypatch.setenv("NO_PROXY", no_proxy.format(port=vendor.port))
        called(kind, vendor.url())
        assert proxy.asked == []
        monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,127.0.0.1:1")
        called(kind, vendor.url())
        assert proxy.asked


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", CALLERS)
def test_a_proxys_login_is_given_to_it_alone(
    kind: str, scheme: str, believed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = "Basic " + base64.b64encode("jörg:hush@€".encode()).decode()
    tls = believed if scheme == "https" else None
    with running_proxy(right) as proxy, running_vendor(healthy(kind), tls=tls) as vendor:
        monkeypatch.setenv("ALL_PROXY", proxy.url(LOGIN))
        called(kind, vendor.url(scheme))
        assert set(proxy.logins) == {right}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", CALLERS)
def test_a_login_that_the_proxy_refuses_is_reported_without_it(
    kind: str, scheme: str, believed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_proxy("Basic other") as proxy, running_vendor(healthy(kind)) as vendor:
        monkeypatch.setenv("ALL_PROXY", proxy.url(LOGIN))
        url = vendor.url(scheme)
        if kind in SENDERS and scheme == "http":  # the proxy speaks in the vendor's place
            with pytest.raises(SendError) as caught:
                called(kind, url)
            assert (caught.value.reason, caught.value.ambiguous) == (Reason.CREDENTIAL, False)
            detail = caught.value.detail
        else:
            detail, doubtful = failure(kind, url)
            assert not (doubtful and kind in SENDERS)
    assert "407" in detail
    assert SECRET not in detail


@pytest.mark.parametrize("kind", CALLERS)
def test_a_proxy_that_is_not_there_or_never_answers_gets_nothing_through(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}@127.0.0.1:9")
    detail, doubtful = failure(kind, "https://vendor.example")
    assert "the proxy cannot be reached" in detail
    assert not (doubtful and kind in SENDERS)
    with running_vendor(dripping(b"HTTP/1.1 2", b"0", 0.02)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}@127.0.0.1:{proxy.port}")
        detail, doubtful = failure(kind, "https://vendor.example", 0.5)
        assert not (doubtful and kind in SENDERS), "CONNECT alone sends the vendor nothing"
        assert SECRET not in detail


@pytest.mark.parametrize("kind", CALLERS)
def test_a_proxy_that_cannot_be_used_is_said_in_words(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", f"socks5://{LOGIN}@127.0.0.1:9")
    detail, doubtful = failure(kind, "https://vendor.example")
    assert "ALL_PROXY names a socks5 proxy" in detail
    assert SECRET not in detail
    assert not (doubtful and kind in SENDERS)


def test_authorities_that_are_not_there_take_nothing_away(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(own))
    trusted.cache_clear()
    try:
        with running_vendor(healthy("slack"), tls=own) as vendor:
            called("slack", vendor.url("https"))
    finally:
        trusted.cache_clear()


def test_a_tunnels_end_is_the_vendors_certificate(believed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy cannot pretend to be the vendor."""

    def never(connection: socket.socket, over: threading.Event) -> None:
        raise AssertionError("nothing may be sent")

    with running_proxy() as proxy, running_vendor(never, tls=believed) as vendor:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url())
        proxy.leads_to = vendor.port
        detail, doubtful = failure("pagerduty", "https://vendor.example")
    assert "TLS: Hostname mismatch" in detail
    assert not doubtful
