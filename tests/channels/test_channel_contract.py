"""The contract of all channels: what every fault of a vendor must become."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.channels import CHANNEL_TYPES
from bridge.core.errors import Reason, SendError
from dev.sandbox.running import RunningSandbox
from tests.channels.channel_builders import (
    SECRETS,
    a_channel,
    a_pagerduty,
    a_slack,
    a_webhook,
    an_email,
)
from tests.channels.sending import send

KINDS = [kind.word() for kind in CHANNEL_TYPES]
TARGETS = {"pagerduty": "pagerduty", "slack": "slack", "email": "smtp", "webhook": "webhook"}


def status(code: int, **more: Any) -> dict[str, Any]:
    return {"kind": "status", "status": code, **more}


def said(error: str, **more: Any) -> dict[str, Any]:
    return {"kind": "ok_false", "error": error, **more}


def reply(code: int, at: str = "data") -> dict[str, Any]:
    return {"kind": "smtp_reply", "code": code, "at": at}


HANG = {"kind": "hang"}
RESET = {"kind": "reset"}
ACCEPTED = {"kind": "accept_then_reset"}
MALFORMED = {"kind": "malformed"}

TABLE = [
    ("pagerduty", status(302), Reason.SERVER, False),
    ("pagerduty", status(400), Reason.PAYLOAD, False),
    ("pagerduty", status(401), Reason.CREDENTIAL, False),
    ("pagerduty", status(403), Reason.CREDENTIAL, False),
    ("pagerduty", status(404), Reason.DESTINATION, False),
    ("pagerduty", status(413), Reason.PAYLOAD, False),
    ("pagerduty", status(429, retry_after=7), Reason.RATE_LIMITED, False),
    ("pagerduty", status(500), Reason.SERVER, True),
    ("pagerduty", status(502), Reason.SERVER, True),
    ("pagerduty", status(503), Reason.SERVER, True),
    ("pagerduty", RESET, Reason.NETWORK, True),
    ("pagerduty", ACCEPTED, Reason.NETWORK, True),
    ("pagerduty", HANG, Reason.NETWORK, True),
    ("pagerduty", MALFORMED, Reason.SERVER, True),
    ("slack", status(302), Reason.SERVER, False),
    ("slack", status(400), Reason.DESTINATION, False),
    ("slack", status(401), Reason.CREDENTIAL, False),
    ("slack", status(429, retry_after=7), Reason.RATE_LIMITED, False),
    ("slack", status(500), Reason.SERVER, True),
    ("slack", status(503), Reason.SERVER, True),
    ("slack", RESET, Reason.NETWORK, True),
    ("slack", ACCEPTED, Reason.NETWORK, True),
    ("slack", HANG, Reason.NETWORK, True),
    ("slack", MALFORMED, Reason.SERVER, True),
    ("slack", said("ratelimited", retry_after=7), Reason.RATE_LIMITED, False),
    ("slack", said("internal_error"), Reason.SERVER, True),
    ("slack", said("fatal_error"), Reason.SERVER, True),
    ("slack", said("service_unavailable"), Reason.SERVER, False),
    ("slack", said("invalid_auth"), Reason.CREDENTIAL, False),
    ("slack", said("token_revoked"), Reason.CREDENTIAL, False),
    ("slack", said("channel_not_found"), Reason.DESTINATION, False),
    ("slack", said("is_archived"), Reason.DESTINATION, False),
    ("slack", said("missing_scope"), Reason.DESTINATION, False),
    ("slack", said("invalid_blocks"), Reason.PAYLOAD, False),
    ("slack", said("msg_blocks_too_long"), Reason.PAYLOAD, False),
    ("slack", said("a_word_of_tomorrow"), Reason.DESTINATION, False),
    ("webhook", status(302), Reason.SERVER, False),
    ("webhook", status(400), Reason.PAYLOAD, False),
    ("webhook", status(401), Reason.CREDENTIAL, False),
    ("webhook", status(403), Reason.CREDENTIAL, False),
    ("webhook", status(404), Reason.DESTINATION, False),
    ("webhook", status(405), Reason.DESTINATION, False),
    ("webhook", status(408), Reason.SERVER, True),
    ("webhook", status(409), Reason.SERVER, True),
    ("webhook", status(410), Reason.DESTINATION, False),
    ("webhook", status(413), Reason.PAYLOAD, False),
    ("webhook", status(422), Reason.PAYLOAD, False),
    ("webhook", status(429, retry_after=7), Reason.RATE_LIMITED, False),
    ("webhook", status(500), Reason.SERVER, True),
    ("webhook", status(503), Reason.SERVER, True),
    ("webhook", RESET, Reason.NETWORK, True),
    ("webhook", ACCEPTED, Reason.NETWORK, True),
    ("webhook", HANG, Reason.NETWORK, True),
    ("email", reply(421), Reason.SERVER, False),
    ("email", reply(450), Reason.SERVER, False),
    ("email", reply(451), Reason.SERVER, False),
    ("email", reply(452, "rcpt"), Reason.SERVER, False),
    ("email", reply(530, "mail"), Reason.CREDENTIAL, False),
    ("email", reply(535, "mail"), Reason.CREDENTIAL, False),
    ("email", reply(530, "rcpt"), Reason.SERVER, False),
    ("email", reply(550, "rcpt"), Reason.DESTINATION, False),
    ("email", reply(551, "rcpt"), Reason.DESTINATION, False),
    ("email", reply(553, "rcpt"), Reason.DESTINATION, False),
    ("email", reply(552), Reason.PAYLOAD, False),
    ("email", reply(554), Reason.PAYLOAD, False),
    ("email", reply(421, "connect"), Reason.SERVER, False),
    ("email", reply(554, "connect"), Reason.SERVER, False),
    ("email", RESET, Reason.NETWORK, True),
    ("email", ACCEPTED, Reason.NETWORK, True),
    ("email", HANG, Reason.NETWORK, True),
    ("email", MALFORMED, Reason.SERVER, True),
    ("email", {**RESET, "at": "connect"}, Reason.NETWORK, False),
    ("email", {**HANG, "at": "rcpt"}, Reason.NETWORK, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fault", "reason", "ambiguous"),
    TABLE,
    ids=[f"{row[0]}-{'-'.join(map(str, row[1].values()))}" for row in TABLE],
)
def test_a_fault_becomes_its_reason(
    vendors: RunningSandbox, kind: str, fault: dict[str, Any], reason: Reason, ambiguous: bool
) -> None:
    vendors.fault(target=TARGETS[kind], **fault)
    seconds = 0.4 if fault["kind"] == "hang" else 5
    with pytest.raises(SendError) as caught:
        send(a_channel(kind, vendors, seconds))
    assert (caught.value.reason, caught.value.ambiguous) == (reason, ambiguous)
    assert caught.value.retry_after == fault.get("retry_after")
    words = f"{caught.value} {caught.value.detail} {caught.value.args}"
    assert not [secret for secret in SECRETS if secret in words]
    assert sum(each["hits"] for each in vendors.state["faults"]) == 1, "sent more than once"


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_connection_is_certain(kind: str) -> None:
    channel = {"pagerduty": a_pagerduty(), "slack": a_slack(), "email": an_email(), "webhook": a_webhook()}[kind]
    with pytest.raises(SendError) as caught:
        send(channel)
    assert (caught.value.reason, caught.value.ambiguous) == (Reason.NETWORK, False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_healthy_vendor_takes_it(vendors: RunningSandbox, kind: str) -> None:
    assert send(a_channel(kind, vendors)).handle
    part = {"pagerduty": "pagerduty", "slack": "slack", "email": "mail", "webhook": "webhook"}[kind]
    assert any(vendors.summary[part].values())


def test_a_wrong_routing_key_is_a_matter_of_the_credential(vendors: RunningSandbox) -> None:
    channel = a_pagerduty(vendors.http_url)
    channel._key = "short"
    with pytest.raises(SendError) as caught:
        send(channel)
    assert caught.value.reason is Reason.CREDENTIAL


def test_every_kind_is_built_with_its_name() -> None:
    built = an_email()._settings.build("mail-ml")
    assert (built.name, built.kind) == ("mail-ml", "email")
