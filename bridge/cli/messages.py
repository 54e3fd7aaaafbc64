"""`bridge preview` and `bridge send-test`: show or send a channel's message."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import secrets
import tempfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import click

from bridge.app.reload import settings_or_exit
from bridge.app.wiring import policy_of, renderer_of, utc_now, worker_setup
from bridge.cli.options import config_option, settings_without_secrets
from bridge.config import Settings
from bridge.core.errors import InvalidPayload, SendError
from bridge.core.facts import Measurements
from bridge.core.incidents.transitions import receive
from bridge.core.model import Alert, Group, Incident, State, Status, Target
from bridge.core.ports import Channel, Claim, Message
from bridge.rendering.context_file import ContextFault, context_of
from bridge.sources import alertmanager
from bridge.sources.alertmanager import UNKNOWN_START


@click.command()
@click.argument("channel")
@click.argument("payload", type=click.File("rb"))
@config_option
@click.option(
    "--context", "context_file", type=click.File("rb"), help="The incident's context as JSON: docs/messages.md."
)
@click.option("--html", is_flag=True, help="For mail: the HTML part.")
@click.option("--open", "in_browser", is_flag=True, help="For mail: the HTML part in the browser.")
@click.pass_context
def preview(
    click_context: click.Context,
    channel: str,
    payload: BinaryIO,
    config: str,
    context_file: BinaryIO | None,
    html: bool,
    in_browser: bool,
) -> None:
    """The exact message that CHANNEL would get for a webhook PAYLOAD; for mail, its headers and text."""
    settings = settings_without_secrets(click_context, config)
    incident, context = _previewed(settings, _group(payload)), _context(context_file)
    sender, message, claim = _message(settings, channel, incident, context)
    content = sender.compose(message, claim).content
    if html or in_browser:
        _show_html(message, channel, in_browser=in_browser)
    elif isinstance(content, bytes):
        click.echo(readable(content))
    else:
        click.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def _group(payload: BinaryIO) -> Group:
    try:
        return alertmanager.parse(payload.read(), "preview")
    except InvalidPayload as fault:
        raise click.ClickException(str(fault)) from None


def _context(context_file: BinaryIO | None) -> Measurements | None:
    try:
        return context_of(context_file.read(), utc_now()) if context_file else None
    except ContextFault as fault:
        raise click.ClickException(f"{context_file.name if context_file else ''}: {fault}") from None


def _show_html(message: Message, channel: str, *, in_browser: bool) -> None:
    if not message.html:
        raise click.ClickException(f"Messages of '{channel}' have no HTML: leave out --html and --open.")
    if not in_browser:
        click.echo(message.html)
        return
    with tempfile.NamedTemporaryFile("w", prefix="preview-", suffix=".html", encoding="utf-8", delete=False) as file:
        file.write(message.html)
    click.echo(f"Wrote {file.name}", err=True)
    if click.launch(Path(file.name).as_uri()):
        raise click.ClickException(f"No browser could be started; open {file.name} yourself.")


def readable(mail: bytes) -> str:
    """Headers and plain text of a mail, decoded."""
    parsed = email.message_from_bytes(mail, policy=email.policy.default)
    body = parsed.get_body(("plain",))
    headers = "\n".join(f"{name}: {value}" for name, value in parsed.items())
    return f"{headers}\n\n{body.get_content() if body else ''}"


@click.command("send-test")
@click.argument("channel")
@config_option
def send_test(channel: str, config: str) -> None:
    """Send one test message for real (to every recipient of a mail channel), and resolve a test page."""
    settings = settings_or_exit(Path(config))
    incident = _incident(settings, _test_group(), utc_now())
    asyncio.run(_send(settings, channel, incident))


async def _send(settings: Settings, channel: str, incident: Incident) -> None:
    sender, message, claim = _message(settings, channel, incident)
    try:
        for recipient in sender.recipients or ("",):
            theirs = replace(claim, target=Target(channel, recipient))
            receipt = await sender.send(sender.compose(message, theirs), message, theirs)
            click.echo(f"{channel} {recipient}".strip() + f": sent. {receipt.note}".rstrip())
            if settings.channels[channel].keeps_open:
                over = _ended(incident, utc_now())
                theirs = replace(theirs, incident=over, firing=False, handle=receipt.handle, sent=1, revision=2)
                end = renderer_of(settings).message(over, theirs, (), html=sender.wants_html)
                await sender.send(sender.compose(end, theirs), end, theirs)
                click.echo(f"{channel}: the test is resolved again.")
    except SendError as error:
        raise click.ClickException(f"{channel}: {error}") from None
    finally:
        await sender.close()


def _ended(incident: Incident, now: datetime) -> Incident:
    over = {name: replace(alert, status=Status.RESOLVED, ends_at=now) for name, alert in incident.alerts.items()}
    return replace(incident, state=State.RESOLVED, revision=2, resolved_at=now, ended_at=now, alerts=over)


def _message(
    settings: Settings, channel: str, incident: Incident, context: Measurements | None = None
) -> tuple[Channel, Message, Claim]:
    sender = worker_setup(settings).channels.get(channel)
    if sender is None:
        names = ", ".join(sorted(settings.channels))
        raise click.ClickException(f"There is no channel '{channel}'; there are {names}.")
    now = utc_now()
    recipient = next(iter(sender.recipients), "")
    target, firing = Target(channel, recipient), bool(incident.firing)
    handle = {} if firing else {"state": "triggered"}  # a resolve is only sent after a trigger
    claim = Claim(incident, target, "", 1, 0, firing, 0, False, False, now, None, handle)
    message = renderer_of(settings).message(incident, claim, (), context, html=sender.wants_html)
    return sender, message, claim


def _previewed(settings: Settings, group: Group) -> Incident:
    """As if the first alert had been received at its start, and a resolved one at its end."""
    ends = [alert.ends_at for alert in group.alerts if alert.ends_at]
    starts = [alert.starts_at for alert in group.alerts]
    seen = max(starts if any(alert.firing for alert in group.alerts) else [*ends, *starts], default=utc_now())
    incident = _incident(settings, group, seen if seen.year > UNKNOWN_START.year else utc_now())
    return replace(incident, opened_at=incident.began_at or incident.opened_at)


def _incident(settings: Settings, group: Group, now: datetime) -> Incident:
    change = receive(None, group, now, policy_of(settings).rules, secrets.token_hex(8))
    if change is None:
        raise click.ClickException("The payload has no alert.")
    return change.incident


def _test_group() -> Group:
    labels = {"alertname": "BridgeTest", "severity": "info"}
    summary = {"summary": "A test message from the incident bridge; nothing is wrong."}
    alert = Alert(secrets.token_hex(8), Status.FIRING, labels, summary, utc_now())
    return Group("send-test", "send-test", f"send-test:{alert.fingerprint}", labels, (alert,))
