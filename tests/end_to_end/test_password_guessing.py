"""The real web process under parallel wrong passwords: memory stays flat, and every other caller is answered."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from werkzeug.security import generate_password_hash

from tests.end_to_end.edge import CHANNEL, SOURCE, Web, running_web

pytestmark = pytest.mark.timeout(300)

PARALLEL = 64
ONE_HASH = 32  #: MiB that scrypt takes with werkzeug's parameters
HASH = generate_password_hash("right")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    users = f'web: {{users: {{ann: "{HASH}", bob: "{HASH}"}}}}\n'
    with running_web(tmp_path, CHANNEL + SOURCE + users, host="0.0.0.0") as web:
        yield web


def get_page(web: Web, name: str, password: str) -> requests.Response:
    return requests.get(f"{web.url}/", auth=(name, password), timeout=60)


@pytest.mark.parametrize("names", [1, PARALLEL])
def test_parallel_wrong_passwords_cost_little_memory_and_delay_no_other(web: Web, names: int) -> None:
    assert get_page(web, "ann", "right").status_code == 200  # remembered from here on; one hash's memory is known
    before = web.memory()
    web.forget_peak()
    with ThreadPoolExecutor(PARALLEL + 8) as pool:
        guesses = [
            pool.submit(get_page, web, f"ann{number % names or ''}", f"guess {number}") for number in range(PARALLEL)
        ]
        webhooks = [pool.submit(web.post, f"key {number}") for number in range(8)]
        assert [each.result() for each in webhooks] == [200] * 8
        answers = [each.result() for each in guesses]
    assert {each.status_code for each in answers} <= {401, 429, 503}
    assert all("Retry-After" in each.headers for each in answers if each.status_code != 401)
    assert web.peak_memory() - before < 5 * ONE_HASH
    assert (get_page(web, "ann", "right").status_code, get_page(web, "bob", "right").status_code) == (200, 200)


def test_parallel_right_passwords_are_let_in_or_asked_to_come_again(web: Web) -> None:
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = [each.status_code for each in pool.map(lambda _: get_page(web, "ann", "right"), range(PARALLEL))]
    assert 200 in answers and set(answers) <= {200, 503}
    assert get_page(web, "ann", "right").status_code == 200
