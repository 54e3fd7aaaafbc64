"""A real nginx before a real web process: no client is local for being proxied, and a proxy that is set up works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from werkzeug.security import generate_password_hash

from tests.end_to_end.edge import BEARER, CHANNEL, SOURCE, Web, notification, running_nginx, running_web
from tests.end_to_end.machines import ROOT

pytestmark = pytest.mark.timeout(300)

HASH = generate_password_hash("right", method="pbkdf2:sha256:1000")
USERS = f'users: {{ann: "{HASH}", bob: "{HASH}"}}'
ANN, BOB = ("ann", "right"), ("bob", "right")
WRONG = ("ann", "wrong")
TRUSTING = 'trusted_proxies: [127.0.0.1, "10.0.0.0/8"]'
CHANGE = {"kind": "deployment", "service": "api", "version": "1"}
READS = ("/", "/incidents/1", "/dead-letters", "/changes", "/api/v1/incidents", "/api/v1/changes")
EXAMPLE = re.findall(r"^ +(proxy_set_header .*;)$", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE)
#: The documentation's example without its TLS; the tests' clients are all on this machine, so each says who it is.
SET_UP = "\n".join(EXAMPLE).replace("$scheme", "https").replace("$remote_addr", "$http_test_client")
ADDED = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
KEPT_ALIVE = 'proxy_http_version 1.1; proxy_set_header Connection "";'


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Its file is changed by the tests; every one begins with its own."""
    with running_web(tmp_path_factory.mktemp("web"), CHANNEL) as web:
        yield web


@pytest.fixture(scope="module")
def plain(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_nginx(tmp_path_factory.mktemp("plain"), web.url) as url:
        yield url


@pytest.fixture(scope="module")
def set_up(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_nginx(tmp_path_factory.mktemp("set_up"), web.url, SET_UP) as url:
        yield url


@pytest.fixture(scope="module")
def adding(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_nginx(tmp_path_factory.mktemp("adding"), web.url, ADDED) as url:
        yield url


def get(url: str, path: str = "/", **more: object) -> int:
    return requests.get(url + path, timeout=30, **more).status_code  # type: ignore[arg-type]


def reload(url: str, **more: object) -> int:
    return requests.post(f"{url}/-/reload", timeout=30, **more).status_code  # type: ignore[arg-type]


def alert(url: str, **headers: str) -> int:
    body = notification(f"through {url}")
    return requests.post(f"{url}/webhook/alertmanager", json=body, headers=headers, timeout=30).status_code


def change(url: str, **headers: str) -> int:
    return requests.post(f"{url}/events/change", json=CHANGE, headers=headers, timeout=30).status_code


def everything(url: str, **headers: str) -> set[int]:
    """What only this machine may do while the file names no user."""
    return {*(get(url, path, headers=headers) for path in READS), reload(url, headers=headers)} | {
        alert(url, **headers),
        change(url, **headers),
    }


@pytest.mark.parametrize("host", [{}, {"Host": "bridge.example.org"}, {"Host": "localhost"}])
def test_where_there_are_users_a_login_is_wanted_wherever_it_listens(
    web: Web, plain: str, host: dict[str, str]
) -> None:
    web.reload(CHANNEL + f"web: {{{USERS}}}\n")
    for url in (plain, web.url):
        assert {*(get(url, path, headers=host) for path in READS), reload(url, headers=host)} == {401}
        assert {get(url, path, headers=host, auth=ANN) for path in READS} == {200, 404}
        assert reload(url, headers=host, auth=ANN) == 200
        assert get(url, "/-/healthy", headers=host) == 200


@pytest.mark.parametrize("proxy", ["plain", "adding", "set_up"])
def test_no_client_is_local_for_having_come_through_a_proxy(
    web: Web, proxy: str, request: pytest.FixtureRequest
) -> None:
    web.reload(CHANNEL)
    url: str = request.getfixturevalue(proxy)
    spoofs: tuple[dict[str, str], ...] = (
        {},
        {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"},
        {"Host": "127.0.0.1", "test-client": "127.0.0.1"},
    )
    for headers in spoofs:
        assert everything(url, **headers) <= {401, 403}
    assert {200, 201, 404} >= everything(web.url) >= {200}


def test_a_proxy_without_settings_but_with_kept_connections_is_known_by_the_host(web: Web, tmp_path: Path) -> None:
    web.reload(CHANNEL)
    with running_nginx(tmp_path, web.url, KEPT_ALIVE + "proxy_set_header Host $http_host;") as url:
        assert everything(url, Host="bridge.example.org") <= {401, 403}


def test_only_a_trusted_proxy_says_who_the_client_is(web: Web, set_up: str, adding: str) -> None:
    web.reload(CHANNEL + f"web: {{{TRUSTING}}}\nexternal_url: https://bridge.example.org\n")
    ours = {"Host": "bridge.example.org"}
    assert get(set_up, headers={**ours, "test-client": "127.0.0.1"}) == 200
    assert get(set_up, headers={**ours, "test-client": "127.0.0.1, 10.1.2.3"}) == 200
    assert get(adding, headers={"Host": "localhost"}) == 200
    for client in ("203.0.113.9", "127.0.0.1, 203.0.113.9", "203.0.113.9, 10.1.2.3", "unknown", ""):
        assert everything(set_up, **ours, **{"test-client": client}) <= {401, 403}
    assert everything(adding, **{"X-Forwarded-For": "203.0.113.9, 10.1.2.3"}) <= {401, 403}
    assert everything(set_up, Host="evil.example", **{"test-client": "127.0.0.1"}) <= {401, 403}


def test_tokens_and_logins_work_through_any_proxy(web: Web, plain: str, set_up: str, adding: str) -> None:
    for more in (
        "",
        f"web: {{{USERS}}}\n",
        f"web: {{{USERS}, {TRUSTING}}}\nexternal_url: https://bridge.example.org\n",
    ):
        web.reload(CHANNEL + SOURCE + more)
        for url in (plain, set_up, adding):
            for host in ({}, {"Host": "bridge.example.org"}, {"Host": "other.example.org"}):
                assert (alert(url, **BEARER, **host), alert(url, Authorization="Bearer x", **host)) == (200, 401)
                assert change(url, **BEARER, **host) in (200, 201) and change(url, **host) == 401
                assert not more or get(url, headers=host, auth=ANN) == 200


def test_behind_tls_the_pages_own_origin_is_known(web: Web, plain: str, set_up: str) -> None:
    own = {"Host": "bridge.example.org", "Origin": "https://bridge.example.org"}
    web.reload(CHANNEL + f"web: {{{USERS}, {TRUSTING}}}\n")
    assert reload(set_up, headers=own, auth=ANN) == 200
    for other in ("https://evil.example", "http://bridge.example.org", "null"):
        assert reload(set_up, headers={**own, "Origin": other}, auth=ANN) == 403
    web.reload(CHANNEL + f"web: {{{USERS}}}\nexternal_url: https://bridge.example.org\n")
    assert reload(plain, headers=own, auth=ANN) == 200
    assert reload(plain, headers={**own, "Origin": "https://evil.example"}, auth=ANN) == 403


def test_a_page_whose_name_means_this_machine_all_at_once_can_do_nothing(web: Web) -> None:
    """DNS rebinding: for the browser it is one site, so Origin and Host agree, and any header may be added."""
    web.reload(CHANNEL + "external_url: http://bridge.example.org\n")
    evil = {"Host": f"evil.example:{web.port}", "Origin": f"http://evil.example:{web.port}"}
    for more in ({}, {"X-Forwarded-Host": "127.0.0.1"}, {"Forwarded": "host=127.0.0.1;for=127.0.0.1"}):
        assert everything(web.url, **evil, **more) <= {401, 403}
    web.reload(CHANNEL + f"web: {{{TRUSTING}}}\n")
    assert everything(web.url, **evil, **{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "127.0.0.1"}) <= {
        401,
        403,
    }


def test_a_guesser_behind_a_trusted_proxy_locks_out_no_other_client(web: Web, set_up: str) -> None:
    web.reload(CHANNEL + f"web: {{{USERS}, {TRUSTING}}}\n")
    guesser, other = {"test-client": "198.51.100.1"}, {"test-client": "198.51.100.2"}
    answers = [get(set_up, headers=guesser, auth=WRONG) for _ in range(7)]
    assert answers == [401] * 5 + [429] * 2
    assert get(set_up, headers=guesser, auth=("ann", "wrong again")) == 429
    assert get(set_up, headers=other, auth=ANN) == 200


def test_a_guesser_behind_an_unknown_proxy_locks_out_no_user_who_is_logged_in_and_no_other_name(
    web: Web, plain: str
) -> None:
    web.reload(CHANNEL + f"web: {{{USERS}}}\n")
    assert get(plain, auth=ANN) == 200
    assert [get(plain, auth=WRONG) for _ in range(7)] == [401] * 5 + [429] * 2
    assert (get(plain, auth=ANN), get(plain, auth=BOB)) == (200, 200)


def test_a_reload_changes_who_is_trusted_and_who_may_read(web: Web, set_up: str) -> None:
    near = {"Host": "localhost", "test-client": "127.0.0.1"}
    web.reload(CHANNEL)
    assert get(set_up, headers=near) == 401
    web.reload(CHANNEL + f"web: {{{TRUSTING}}}\n")
    assert get(set_up, headers=near) == 200
    web.reload(CHANNEL + f"web: {{{TRUSTING}, {USERS}}}\n")
    assert (get(set_up, headers=near), get(set_up, headers=near, auth=BOB)) == (401, 200)
    web.reload(CHANNEL)
    assert (get(set_up, headers=near), get(web.url)) == (401, 200)
