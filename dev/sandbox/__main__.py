"""`python -m dev.sandbox serve` and `python -m dev.sandbox credentials`."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import click

from dev.sandbox.credentials import fresh_credentials
from dev.sandbox.options import Options
from dev.sandbox.serving import serving


@click.group(help="Local stand-ins for PagerDuty, Slack and a mail server, with a page that shows what responders see.")
def main() -> None:
    pass


@main.command(help="Listen until SIGTERM or SIGINT. Port 0 chooses a free port.")
@click.option("--http", default="127.0.0.1:9911", show_default=True, metavar="HOST:PORT")
@click.option("--smtp", default="127.0.0.1:2525", show_default=True, metavar="HOST:PORT")
@click.option("--routing-key", "routing_keys", multiple=True, envvar="PAGERDUTY_ROUTING_KEY", help="May be repeated.")
@click.option("--slack-token", "slack_tokens", multiple=True, envvar="SLACK_BOT_TOKEN", help="May be repeated.")
@click.option("--webhook-secret", "webhook_secrets", multiple=True, envvar="WEBHOOK_SECRET", help="May be repeated.")
@click.option("--missing-channel", "missing_channels", multiple=True, help="Answers channel_not_found.")
@click.option("--rate-limits", is_flag=True, help="PagerDuty 120 a minute, Slack one message a second and channel.")
@click.option("--smtp-tls", type=click.Choice(["none", "starttls", "implicit"]), default="none", show_default=True)
@click.option("--smtp-certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--smtp-key", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--smtp-username", envvar="SANDBOX_SMTP_USERNAME", help="With it, clients must log in.")
@click.option("--smtp-password", envvar="SANDBOX_SMTP_PASSWORD", help="Better given by the environment.")
@click.option("--history", type=click.IntRange(min=1), default=20_000, show_default=True, help="Records kept.")
def serve(**options: Any) -> None:
    try:
        asyncio.run(_serve(Options(**options)))
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error


async def _serve(options: Options) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(options) as listening:
        click.echo(f"sandbox ready http={listening.http_address} smtp={listening.smtp_address}")
        await stop.wait()


@main.command(help="Print random, well-formed credentials for the environment; nothing is kept.")
def credentials() -> None:
    for name, value in fresh_credentials().items():
        click.echo(f"{name}={value}")


if __name__ == "__main__":
    main(prog_name="python -m dev.sandbox")
