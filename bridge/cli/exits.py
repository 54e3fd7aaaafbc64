"""Turns errors of a command into messages and exit codes. A traceback is a defect of the bridge.

0: success. 1: failure, or `check` found a fault; stderr says why. 2: the command line is wrong, or the bridge cannot
start as configured.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator

import click


@contextlib.contextmanager
def errors_as_messages() -> Iterator[None]:
    _tolerate_encoding_errors()
    try:
        yield
        _flush()
    except click.exceptions.Exit:
        _flush()
        raise
    except BrokenPipeError:
        raise  # click ends quietly: the reader has closed the pipe
    except Exception as error:
        raise _as_message(error) from None


def _as_message(error: Exception) -> Exception:
    """The error itself, if it is a defect of the bridge."""
    from bridge.core.errors import StoreUnusable

    words = _words(error)
    if words is None:
        return error
    return click.UsageError(words) if isinstance(error, StoreUnusable) else click.ClickException(words)


def _tolerate_encoding_errors() -> None:
    """Prints escapes for a terminal without UTF-8, and for lone surrogates in a label."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Flush now, as at the interpreter's exit it would be too late for a message."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # the rest must not be written again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise click.ClickException(f"the output cannot be written: {error.strerror}") from None


def _words(error: Exception) -> str | None:
    """The message for an error that a user can fix; None for a defect of the bridge."""
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
