"""The benchmark writes between its markers, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.bench.page import PAGE, begin, end, replaced, write

TEXT = f"# Page\n\n{begin('bench')}\nold\n{end('bench')}\n\nprose\n"


def test_what_is_between_the_markers_is_replaced_any_number_of_times(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(TEXT)
    for content in ("new", "newer | with a table"):
        write("bench", f"{content}\n\n", page)
        assert page.read_text() == TEXT.replace("old", content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        begin("bench"),
        end("bench") + begin("bench"),
        TEXT + begin("bench"),
        TEXT + end("bench"),
        begin("b") + end("b"),
    ],
)
def test_a_page_without_the_markers_is_left_alone(text: str) -> None:
    with pytest.raises(ValueError, match="needs the markers"):
        replaced(text, "bench", "new")


@pytest.mark.parametrize("name", ["bench", "growth", "peers"])
def test_the_page_has_the_markers(name: str) -> None:
    assert replaced(PAGE.read_text(encoding="utf-8"), name, "new").count("new") >= 1
