"""How a command ends: in words and with an exit code, whatever a user gives it. A traceback is a defect of ours.

0: done. 1: it cannot be done, or `check` found a fault; stderr says why. 2: the command line is wrong, or the bridge
cannot start as it is configured.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator

import click


@contextlib.contextmanager
def ended_in_words() -> Iterator[None]:
    _print_whatever_comes()
    try:
        yield
        _flush()
    except click.exceptions.Exit:
        _flush()
        raise
    except BrokenPipeError:
        raise  # click ends quietly: who reads has seen enough
    except Exception as error:
        raise _in_words(error) from None


def _in_words(error: Exception) -> Exception:
    """The error itself, if it is a defect of ours."""
    from bridge.core.errors import StoreUnusable

    words = _words(error)
    if words is None:
        return error
    return click.UsageError(words) if isinstance(error, StoreUnusable) else click.ClickException(words)


def _print_whatever_comes() -> None:
    """A terminal without UTF-8, or half a character in a label, is no reason to show nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Here, and not at the interpreter's end, where it would be too late for words."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # what is left must not be tried again at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise click.ClickException(f"the output cannot be written: {error.strerror}") from None


def _words(error: Exception) -> str | None:
    """Of what a user can put right; None for a defect of ours."""
    from bridge.config.faults import ConfigurationFaults
    from bridge.core.errors import BridgeError

    if isinstance(error, BridgeError | ConfigurationFaults):
        return str(error)
    if isinstance(error, UnicodeError):
        return f"the input is not UTF-8 text, at character {getattr(error, 'start', 0) + 1}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return None
