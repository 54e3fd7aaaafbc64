"""python -m bert_api: serve | retrain | deploy | rollback | versions. Settings come from the environment."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from bert_api.metrics import TRIGGERS
from bert_api.model import manifest
from bert_api.model.errors import ModelLoadError, VersionError
from bert_api.model.versions import Versions
from bert_api.service import logs, running
from bert_api.service.changes import Change, ChangeWebhook, Kind
from bert_api.service.settings import Settings, SettingsError, from_environment
from bert_api.training.history import RunHistory, Trigger

T = TypeVar("T")
TELL_SECONDS = 20.0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A toxicity API with a real BERT encoder, and the life of its model."""


@main.command()
@click.option("--listen", metavar="ADDRESS:PORT", help="Instead of BERT_API_LISTEN (127.0.0.1:8100).")
def serve(listen: str | None) -> None:
    """Answer requests until SIGTERM. docs/bert-api.md lists the settings, which the environment gives."""
    environment = {**os.environ, "BERT_API_LISTEN": listen} if listen else os.environ
    settings = _or_explain(lambda: from_environment(environment))
    logs.configure()
    _or_explain(lambda: running.serve(settings))


@main.command()
def versions() -> None:
    """The versions there are; an arrow marks the one that is served."""
    _, known = _known()
    current = _or_explain(known.current)
    for name in known.names():
        click.echo(f"{'->' if name == current else '  '} {name}")


@main.command()
@click.argument("version")
def deploy(version: str) -> None:
    """Serve VERSION from now on: every running API that shares the state switches by itself."""
    settings, known = _known()
    previous = _or_explain(lambda: known.activate(version))
    click.echo(f"{version} is to be served; {previous} was before.")
    _tell(settings, _change("deploy", known, version, previous))


@main.command()
def rollback() -> None:
    """Serve again what was served before."""
    settings, known = _known()
    previous = _or_explain(known.current)
    version = _or_explain(known.rollback)
    click.echo(f"{version} is to be served again; {previous} was before.")
    _tell(settings, _change("rollback", known, version, previous))


@main.command()
@click.option("--trigger", type=click.Choice(TRIGGERS), required=True, help="Why: a person, drift, or the calendar.")
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Feedback as CSV.")
@click.option("--force", is_flag=True, help="Write the new version even if it is worse.")
def retrain(trigger: Trigger, data: Path | None, force: bool) -> None:
    """Train a new version on the corpus and feedback, and compare it with the one that is served.

    It is not served before `deploy` says so. A worse one is refused, with exit code 1.
    """
    try:  # here, because a server need not have what trains
        from bert_api.training.feedback import FeedbackError
        from bert_api.training.retrain import retrain as run
    except ModuleNotFoundError as fault:
        raise click.ClickException(f"{fault}: install what bert_api/requirements-train.txt lists.") from None
    settings, known = _known()
    webhook = _webhook(settings)
    webhook.notify(_change("retraining", known, _or_explain(known.current)))
    try:
        outcome = _or_explain(lambda: run(known, RunHistory(settings.state), trigger, data, force))
    except FeedbackError as fault:
        raise click.ClickException(str(fault)) from None
    click.echo(outcome.detail)
    _finish(webhook)
    if outcome.version is None:
        raise click.ClickException("no new version was written; --force writes it all the same.")
    click.echo(f"Version {outcome.version} is written; `python -m bert_api deploy {outcome.version}` serves it.")


def _settings() -> Settings:
    return _or_explain(lambda: from_environment(os.environ))


def _known() -> tuple[Settings, Versions]:
    settings = _settings()
    return settings, _or_explain(lambda: Versions(settings.models, settings.state))


def _change(kind: Kind, known: Versions, version: str, previous: str | None = None) -> Change:
    name = _or_explain(lambda: manifest.read(known.folder(version)).name)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")  # of two changes within a second, which came first
    return Change(kind, name, version, previous, now, f"{getpass.getuser()}@{socket.gethostname()}")


def _webhook(settings: Settings) -> ChangeWebhook:
    return ChangeWebhook(settings.webhook_url, settings.webhook_token)


def _tell(settings: Settings, change: Change) -> None:
    webhook = _webhook(settings)
    webhook.notify(change)
    _finish(webhook)


def _finish(webhook: ChangeWebhook) -> None:
    if not webhook.finish(TELL_SECONDS):
        click.echo("CHANGE_WEBHOOK_URL did not take the news of this change; the change itself is done.", err=True)


def _or_explain(action: Callable[[], T]) -> T:
    try:
        return action()
    except (SettingsError, VersionError, ModelLoadError, OSError) as fault:
        click.echo(str(fault), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m bert_api")
