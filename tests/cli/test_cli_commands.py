"""The commands as a group: each is found, and none imports the libraries of the others."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from bridge.cli.main import ELSEWHERE, main

EVERY = sorted([*ELSEWHERE, "serve", "web", "worker"])


@pytest.mark.parametrize("name", EVERY)
def test_each_command_explains_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_help_lists_every_command() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    assert [line.split()[0] for line in shown.partition("Commands:")[2].splitlines() if line.strip()] == EVERY


def test_help_imports_no_command() -> None:
    """Whoever asks for help waits for it."""
    heavy = ("pydantic", "sqlalchemy", "structlog", "jinja2")
    ending = f"atexit.register(lambda: print([name for name in {heavy!r} if name in sys.modules]))"
    program = f"import sys, atexit; {ending}; sys.argv[1:] = ['--help']; import bridge.__main__"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "Usage:" in output
    assert output.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_each_summary_in_the_list_is_whole(name: str) -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    assert ELSEWHERE[name].summary in shown


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("bridge.app.supervisor", ("sqlalchemy", "flask", "aiohttp", "pydantic", "structlog")),
        ("bridge.app.web_process", ("aiohttp", "slack_sdk", "pdpyras", "psycopg", "alembic")),
        ("bridge.app.worker_process", ("flask", "waitress", "psycopg", "alembic")),
    ],
)
def test_a_process_imports_only_what_it_uses(module: str, absent: tuple[str, ...]) -> None:
    program = f"import sys, {module}; print([name for name in {absent!r} if name in sys.modules])"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
