"""Texts that are shown as they are cost no search: whatever must be replaced is not printable to Python."""

from __future__ import annotations

import sys

import pytest

from bridge.rendering.text import clean, one_line

CHANGED = [
    ("a\x00b", "ab", "ab"), ("a\u202eb", "ab", "ab"), ("a\ufeffb", "ab", "ab"), ("é\ud800", "é", "é"),
    ("a\r\nb\rc\x85d\u2028e", "a\nb\nc\nd\ne", "a b c d e"), ("a\tb", "a\tb", "a b"),
    (" é\u00a0ü ", " é\u00a0ü ", "é ü"), ("a  b", "a  b", "a b"),
    ("\n日本\n", "\n日本\n", "日本"), ("👩\u200d💻", "👩\u200d💻", "👩\u200d💻"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "cleaned", "line"), CHANGED)
def test_a_text_is_cleaned(text: str, cleaned: str, line: str) -> None:
    assert (clean(text), one_line(text)) == (cleaned, line)


def test_every_character_that_is_printable_is_kept() -> None:
    """And every other kind of blank is not printable, so that none escapes one_line."""
    for character in filter(str.isprintable, map(chr, range(sys.maxunicode + 1))):
        among = f"a\x01{character}b"  # not printable: searched through
        assert clean(among) == f"a{character}b" == clean(f"a{character}b")
        assert not character.isspace() or character == " "
