"""A run folder of its own for each test, and processes that carry its mark."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.stack import proc
from dev.stack.places import Places
from dev.stack.processes import Process
from dev.stack.services import Service

Start = Callable[..., subprocess.Popen[bytes]]
UNREACHABLE = "http://127.0.0.1:1/"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    here = Places(tmp_path / ".run")
    here.create()
    return here


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts python code in a session of its own; whatever still lives is killed after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def starter(code: str, run: Path | None = None) -> subprocess.Popen[bytes]:
        mark = {proc.MARK: str(run)} if run else {}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", code],
                env={**os.environ, **mark},
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        )
        return started[-1]

    yield starter
    for child in started:
        child.kill()
        child.communicate()


@pytest.fixture
def process(places: Places) -> Iterator[Callable[..., Process]]:
    made: list[Process] = []

    def maker(code: str, name: str = "thing", url: str = UNREACHABLE) -> Process:
        made.append(Process(Service(name, (sys.executable, "-uc", code), url, url), places, dict(os.environ)))
        return made[-1]

    yield maker
    for one in made:
        one.kill()
