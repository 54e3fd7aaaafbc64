"""Settings: defaults that work, and every fault at once with what would do."""

from __future__ import annotations

from pathlib import Path

import pytest

from bert_api.model.versions import SHIPPED
from bert_api.service.settings import SettingsError, from_environment


def test_without_any_variable_it_listens_on_this_machine_only() -> None:
    settings = from_environment({"HOME": "/home/ada"})
    assert (settings.host, settings.port, settings.models, settings.drills) == ("127.0.0.1", 8100, SHIPPED, False)


def test_more_than_fifty_requests_fit_into_the_usual_settings() -> None:
    settings = from_environment({})
    assert settings.threads > settings.queue > 50


def test_an_empty_variable_means_the_default() -> None:
    assert from_environment({"BERT_API_THREADS": " "}).threads == from_environment({}).threads


def test_the_state_is_kept_where_the_desktop_standard_says() -> None:
    assert from_environment({"XDG_STATE_HOME": "/var/ada"}).state == Path("/var/ada/bert-api")
    assert from_environment({"HOME": "/home/ada"}).state == Path("/home/ada/.local/state/bert-api")
    assert from_environment({"BERT_API_STATE": "/srv/state"}).state == Path("/srv/state")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:8100", ("::1", 8100)), ("127.0.0.1:65535", ("127.0.0.1", 65535))],
)
def test_addresses_of_both_kinds_are_read(text: str, expected: tuple[str, int]) -> None:
    settings = from_environment({"BERT_API_LISTEN": text})
    assert (settings.host, settings.port) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("BERT_API_LISTEN", "localhost:8100"),
        ("BERT_API_LISTEN", "8100"),
        ("BERT_API_LISTEN", "127.0.0.1:0"),
        ("BERT_API_LISTEN", "127.0.0.1:８０"),
        ("BERT_API_THREADS", "63"),
        ("BERT_API_QUEUE", "many"),
        ("BERT_API_TIMEOUT", "nan"),
        ("BERT_API_DRILLS", "true"),
        ("BERT_API_PROBE_TEXTS", "-1"),
        ("CHANGE_WEBHOOK_URL", "bridge:9119"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}='.*': write "):
        from_environment({name: text})


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment({"BERT_API_THREADS": "1", "BERT_API_QUEUE": "0", "BERT_API_MAX_BODY": "x"})
    assert len(str(caught.value).splitlines()) == 3


def test_the_token_is_not_shown() -> None:
    secrets = {"CHANGE_WEBHOOK_TOKEN": "hush", "BERT_API_PROBE_TOKEN": "hush"}
    assert "hush" not in repr(from_environment(secrets))
