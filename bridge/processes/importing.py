"""Imports without garbage collections. Standard library only."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """For imports, which make little but what stays: looking through it again and again is a tenth of their time.

    What was made by then is never looked through again; after a fork that would also write to each page of it.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
