"""Texts that no channel may trip over."""

from __future__ import annotations

NASTY = [
    "<!channel>", "<!here|x>", "<@U12345678>", "<http://evil|x>", "&<>&amp;", "😀" * 3000, "\u202eabc\u202c שלום",
    "x" * 10_000, "a\r\nBcc: evil@example.org", "<script>alert(1)</script>", "\x00\x1b[31m", "\ud800", "*_~`" * 500,
    "", " ", "\u2028\u2029", "&" * 4000, ".\r\n.\r\n",
]  # fmt: skip
