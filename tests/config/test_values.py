"""Durations, sizes, rates, addresses."""

from datetime import timedelta

import pytest

from bridge.config import values
from bridge.config.values import Rate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90d", 90 * 86400),
        ("1h30m", 5400),
        ("10m", 600),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        ("1w", 604800),
        ("0", 0),
    ],
)
def test_durations_are_parsed(text: str, seconds: float) -> None:
    assert values.parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "1h-3m", "-1h", "ten minutes", "10m!", "9" * 29 + "y", None])
def test_an_invalid_duration_is_refused(text: str | None) -> None:
    with pytest.raises(ValueError, match="duration"):
        values.parse_duration(text)


@pytest.mark.parametrize(("text", "size"), [("8MiB", 8 * 2**20), ("500kB", 500_000), ("1.5KiB", 1536), (42, 42)])
def test_sizes_are_parsed(text: str | int, size: int) -> None:
    assert values.parse_size(text) == size


@pytest.mark.parametrize("text", ["8 megs", "-1", "MiB", "1TB", None])
def test_an_invalid_size_is_refused(text: str | None) -> None:
    with pytest.raises(ValueError, match="is no size"):
        values.parse_size(text)


@pytest.mark.parametrize(
    ("text", "expected", "per_second"),
    [("120/m", Rate(120, timedelta(minutes=1)), 2), ("1/s", Rate(1, timedelta(seconds=1)), 1)],
)
def test_rates_are_parsed(text: str, expected: Rate, per_second: float) -> None:
    rate = values.parse_rate(text)
    assert rate is not None
    assert (rate, rate.per_second, str(rate)) == (expected, per_second, text)


def test_off_is_no_rate() -> None:
    assert values.parse_rate("unlimited") is None


@pytest.mark.parametrize("text", ["0/s", "1/d", "fast", "1", 5, None, "-1/s"])
def test_an_invalid_rate_is_refused(text: str | int | None) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        values.parse_rate(text)


@pytest.mark.parametrize("text", ["a@b.org", "A Name <a@b.org>", "a.b+c@[192.0.2.1]"])
def test_mail_addresses_are_accepted(text: str) -> None:
    assert values.check_address(text) == text


@pytest.mark.parametrize(
    "text", ["", "a", "a@", "@b", "a@b@c", "a@b\r\nBcc: c@d", "a@b,c@d", "x <a>", "a b@c", "a@b\n"]
)
def test_an_invalid_mail_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="mail address"):
        values.check_address(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("mx:25", ("mx", 25)), ("[::1]:2525", ("::1", 2525)), ("10.0.0.1:587", ("10.0.0.1", 587))],
)
def test_host_and_port_are_parsed(text: str, expected: tuple[str, int]) -> None:
    assert values.parse_host_port(text) == expected


@pytest.mark.parametrize("text", ["mx", "mx:", ":25", "mx:0", "mx:65536", "http://mx:25", "::1:25", "a b:25"])
def test_an_invalid_host_or_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        values.parse_host_port(text)


@pytest.mark.parametrize("text", ["<!here>", "<!channel> <@U012AB>", "<!subteam^S012AB|@ml>"])
def test_mentions_are_accepted(text: str) -> None:
    assert values.check_mention(text) == text


@pytest.mark.parametrize("text", ["", "@here", "<!everybody>", "<@alice>", "<http://x>", "<!here> all"])
def test_an_ineffective_mention_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="would not notify anybody"):
        values.check_mention(text)


@pytest.mark.parametrize("text", ["", "x", "ftp://x", "http://", "javascript:alert(1)", "http://a b", "http://x:99999"])
def test_an_invalid_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="this is no URL"):
        values.check_url(text)
