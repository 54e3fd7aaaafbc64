"""Commands that are sent together (RFC 2920): each still has its own reply, and a refusal leaves no mail half sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.core.errors import Reason, SendError
from tests.channels.channel_builders import a_claim, a_message, an_email
from tests.channels.small_smtp import Conversation, Reply, SmallSmtp, running_smtp

OFFERS = ("PIPELINING", "8BITMIME", "SMTPUTF8")


async def send(channel: Any, **more: Any) -> Any:
    message, claim = a_message(), a_claim(**more)
    return await channel.send(channel.compose(message, claim), message, claim)


async def refusal(channel: Any) -> SendError:
    with pytest.raises(SendError) as caught:
        await send(channel)
    return caught.value


def conversations(server: SmallSmtp) -> int:
    return sum(command.upper().startswith(b"EHLO") for command in server.commands)


def test_a_server_that_offers_it_gets_the_commands_together() -> None:
    """It waits for all of them before it answers the first."""
    waiting: list[bytes] = []

    def mail(talk: Conversation) -> None:
        for _ in range(2):
            waiting.append(talk.file.readline().strip())
        talk.say(b"250 OK\r\n250 OK")
        talk.server.commands.append(waiting[0])
        talk._data()

    async def work(server: SmallSmtp) -> None:
        channel = an_email(server.address, 20, concurrency=1)
        await send(channel)
        await send(channel)
        await channel.close()

    with running_smtp(offers=OFFERS, answers={"MAIL": mail}) as server:
        asyncio.run(work(server))
    assert waiting == [b"RCPT TO:<oncall@example.org>", b"DATA"] * 2
    assert (len(server.mails), conversations(server)) == (2, 1)


@pytest.mark.parametrize(
    ("answers", "reason", "kept"),
    [
        ({"RCPT": b"550 5.1.1 no such user", "DATA": b"554 5.5.1 no valid recipients"}, Reason.DESTINATION, True),
        ({"RCPT": b"550 5.1.1 no such user"}, Reason.DESTINATION, False),  # it waits for a mail to nobody
        ({"RCPT": b"451 4.7.1 greylisted", "DATA": b"503 need RCPT"}, Reason.SERVER, False),
        ({"MAIL": b"553 5.7.1 no", "RCPT": b"503 5.5.1 no", "DATA": b"503 5.5.1 no"}, Reason.DESTINATION, True),
        ({"MAIL": b"552 5.3.4 too big", "RCPT": b"503 5.5.1 no", "DATA": b"503 5.5.1 no"}, Reason.PAYLOAD, True),
        ({"MAIL": b"421 4.3.2 shutting down"}, Reason.SERVER, False),
        ({"DATA": b"552 5.3.4 too much"}, Reason.PAYLOAD, True),
        ({".": b"554 5.7.1 spam"}, Reason.PAYLOAD, True),
    ],
)
def test_a_refusal_is_that_of_the_first_command_and_the_next_mail_arrives(
    answers: dict[str, Reply], reason: Reason, kept: bool
) -> None:
    async def work(server: SmallSmtp) -> None:
        channel = an_email(server.address, 20, concurrency=1)
        await send(channel)
        server.answers.update(answers)
        error = await refusal(channel)
        assert (error.reason, error.ambiguous) == (reason, False)
        server.answers.clear()
        taken = len(server.mails)
        await send(channel)
        await channel.close()
        assert len(server.mails) == taken + 1
        assert all(b"\r\nSubject: " in mail for _, _, mail in server.mails), "no empty one"

    with running_smtp(offers=OFFERS) as server:
        asyncio.run(work(server))
    assert conversations(server) == (1 if kept else 2)


def test_a_server_that_hangs_up_among_the_replies_certainly_has_nothing() -> None:
    def hang_up(talk: Conversation) -> None:
        raise ConnectionResetError

    async def work(server: SmallSmtp) -> None:
        for step, ambiguous in (("MAIL", False), ("RCPT", False), ("DATA", False), (".", True)):
            channel = an_email(server.address, 20, concurrency=1)
            server.answers[step] = hang_up
            error = await refusal(channel)
            assert (error.reason, error.ambiguous) == (Reason.NETWORK, ambiguous)
            server.answers.clear()
            await send(channel)
            await channel.close()

    with running_smtp(offers=OFFERS) as server:
        asyncio.run(work(server))


def test_a_connection_that_was_closed_in_silence_is_replaced() -> None:
    """As a server does that takes one mail a connection: what is known here already costs no question."""

    def last(talk: Conversation) -> None:
        talk.say(b"250 OK")
        raise ConnectionResetError

    async def work(server: SmallSmtp) -> None:
        channel = an_email(server.address, 20, concurrency=1)
        for number in range(1, 4):
            await send(channel)
            while conversations(server) < number:
                await asyncio.sleep(0)
        await channel.close()

    with running_smtp(offers=OFFERS, answers={".": last}) as server:
        asyncio.run(work(server))
    assert (len(server.mails), conversations(server)) == (3, 3)


def test_more_mails_than_connections_wait_for_one() -> None:
    async def work(server: SmallSmtp) -> None:
        channel = an_email(server.address, 20, concurrency=2)
        await asyncio.gather(*(send(channel) for _ in range(20)))
        await channel.close()

    with running_smtp(offers=OFFERS) as server:
        asyncio.run(work(server))
    assert (len(server.mails), conversations(server)) == (20, 2)


def test_a_line_that_begins_with_a_dot_arrives_as_it_was() -> None:
    for mail in (b".a\r\n..b\r\nc.\r\n.\r\nd", b"\n.\r.\r\n\n.x", b"", b"."):

        async def work(server: SmallSmtp, mail: bytes = mail) -> None:
            channel = an_email(server.address, 20, concurrency=1)
            await send(channel, frozen=mail)
            await channel.close()

        with running_smtp(offers=OFFERS) as server:
            asyncio.run(work(server))
        lines = mail.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        ((_, _, arrived),) = server.mails
        assert arrived == lines + (b"" if lines.endswith(b"\r\n") else b"\r\n")
