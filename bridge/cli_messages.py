"""`bridge preview` and `bridge send-test`: what a channel would say, and whether it can."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import click

from bridge.config import Settings
from bridge.core.errors import InvalidPayload, SendError
from bridge.core.incidents import receive
from bridge.core.model import Alert, Group, Incident, Status, Target
from bridge.core.ports import Channel, Claim, Message
from bridge.serving import settings_or_exit
from bridge.sources import alertmanager
from bridge.wiring import policy_of, renderer_of, setup_of, utc_now

CONFIG = click.option("--config", envvar="BRIDGE_CONFIG", default="routes.yaml", show_default=True)


@click.command()
@click.argument("channel")
@click.argument("payload", type=click.File("rb"))
@CONFIG
@click.option("--html", is_flag=True, help="For mail: the HTML part.")
def preview(channel: str, payload: BinaryIO, config: str, html: bool) -> None:
    """The exact message that CHANNEL would get for a webhook PAYLOAD."""
    settings = settings_or_exit(Path(config))
    try:
        group = alertmanager.parse(payload.read(), "preview")
    except InvalidPayload as fault:
        raise click.ClickException(str(fault)) from None
    sender, message, claim = _message(settings, channel, _incident(settings, group))
    content = sender.compose(message, claim).content
    if html:
        click.echo(message.html or "This channel has no HTML.")
    elif isinstance(content, bytes):
        click.echo(content.decode(errors="replace"))
    else:
        click.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))


@click.command("send-test")
@click.argument("channel")
@CONFIG
def send_test(channel: str, config: str) -> None:
    """Send one test message for real (to every recipient of a mail channel), and resolve a test page."""
    settings = settings_or_exit(Path(config))
    incident = _incident(settings, _test_group())
    asyncio.run(_send(settings, channel, incident))


async def _send(settings: Settings, channel: str, incident: Incident) -> None:
    sender, message, claim = _message(settings, channel, incident)
    try:
        for recipient in sender.recipients or ("",):
            theirs = replace(claim, target=Target(channel, recipient))
            receipt = await sender.send(sender.compose(message, theirs), message, theirs)
            click.echo(f"{channel} {recipient}".strip() + f": sent. {receipt.note}".rstrip())
            if sender.kind == "pagerduty":
                ended = replace(message, firing=False)
                theirs = replace(theirs, handle=receipt.handle, sent=1, revision=2)
                await sender.send(sender.compose(ended, theirs), ended, theirs)
                click.echo(f"{channel}: the test page is resolved again.")
    except SendError as error:
        raise click.ClickException(f"{channel}: {error}") from None
    finally:
        await sender.close()


def _message(settings: Settings, channel: str, incident: Incident) -> tuple[Channel, Message, Claim]:
    sender = setup_of(settings).channels.get(channel)
    if sender is None:
        names = ", ".join(sorted(settings.channels))
        raise click.ClickException(f"There is no channel '{channel}'; there are {names}.")
    now = utc_now()
    recipient = next(iter(sender.recipients), "")
    target, firing = Target(channel, recipient), bool(incident.firing)
    claim = Claim(incident.number, target, "", 1, 0, firing, 0, False, False, now, None)
    message = renderer_of(settings).message(incident, claim, (), html=sender.wants_html)
    return sender, message, claim


def _incident(settings: Settings, group: Group) -> Incident:
    change = receive(None, group, utc_now(), policy_of(settings).rules, secrets.token_hex(8))
    if change is None:
        raise click.ClickException("The payload carries no alert.")
    return change.incident


def _test_group() -> Group:
    labels = {"alertname": "BridgeTest", "severity": "info"}
    summary = {"summary": "A test message from the incident bridge; nothing is wrong."}
    alert = Alert(secrets.token_hex(8), Status.FIRING, labels, summary, utc_now())
    return Group("send-test", "send-test", f"send-test:{alert.fingerprint}", labels, (alert,))
