"""Files that hold one secret each, as editors, shells and Windows write them."""

from __future__ import annotations

import codecs
from pathlib import Path

MAX_OCTETS = 65_536
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class UnreadableSecret(ValueError):
    """There is no secret in it; the text says why, and nothing of what is in it."""


def read_secret(path: Path) -> str:
    """Without byte order mark, and without blanks and line ends around; it may be empty. Raises UnreadableSecret."""
    try:
        if path.exists() and not path.is_file():  # a FIFO would be waited for
            raise UnreadableSecret("Is a directory" if path.is_dir() else "it is no ordinary file")
        with path.open("rb") as file:
            content = file.read(MAX_OCTETS + 1)
    except OSError as error:
        raise UnreadableSecret(error.strerror or type(error).__name__) from None
    if len(content) > MAX_OCTETS:
        raise UnreadableSecret("it is too large for a secret")
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return bare(content.decode(encoding))
    except UnicodeDecodeError:
        raise UnreadableSecret("it is not UTF-8 text") from None


def bare(text: str) -> str:
    """Without what stands around a secret, and is no part of it."""
    return text.strip().removeprefix("\ufeff").strip()
