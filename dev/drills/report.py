"""The score, for a terminal and for docs/messages.md."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from dev.drills.judging import Score, enough, totals
from dev.drills.running import Result
from dev.drills.scenario import Scenario
from dev.stack.errors import StackError
from dev.stack.places import ROOT

PAGE = ROOT / "docs" / "messages.md"
BEGIN, END = "<!-- score -->", "<!-- end of score -->"
MARKS = {Score.RIGHT: "+", Score.NONE: "o", Score.MISSED: "-", Score.WRONG: "x", Score.DANGEROUS: "!!"}
WIDTH = 118


def lines(results: Sequence[Result], show: bool) -> Iterator[str]:
    for result in results:
        yield from _lines(result, show)
    yield ""
    yield summary(results)


def _lines(result: Result, show: bool) -> Iterator[str]:
    judgement, said = result.judgement, result.said
    yield f"{MARKS[judgement.score]:>2} {result.scenario.name}: {judgement.score}"
    yield from _wrapped("said", f"{said.line or 'no cause'}{f' ({said.confidence})' if said.confidence else ''}")
    if not judgement.score.passed:
        yield from _wrapped("truth", result.scenario.truth.cause)
        yield from _wrapped("why", judgement.why)
    if judgement.unsaid:
        yield from _wrapped("unsaid", ", ".join(f"/{each}/" for each in judgement.unsaid))
    if show:
        fired = ", ".join(f"{each.rule.name} {result.now - each.fired_at:+d} s before" for each in result.outbreaks)
        yield from _wrapped("fired", fired)
        for channel, text in said.messages.items():
            yield f"   --- {channel}"
            yield textwrap.indent(text.strip(), "   | ")


def _wrapped(name: str, text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, initial_indent=f"   {name:<6} ", subsequent_indent=" " * 10)


def summary(results: Sequence[Result]) -> str:
    judgements = [each.judgement for each in results]
    counted = ", ".join(f"{count} {score}" for score, count in totals(judgements).items())
    passed = sum(each.score.passed for each in judgements)
    verdict = "enough" if enough(judgements) else "not enough: nine of ten, and nothing dangerous"
    return f"{passed} of {len(results)} passed ({counted}): {verdict}."


def table(results: Sequence[Result]) -> str:
    rows = ["| drill | what really happened | the message says | score |", "|---|---|---|---|"]
    for each in results:
        sure = f" ({each.said.confidence})" if each.said.confidence else ""
        said = f"{each.said.cause}{sure}" if each.said.cause else "no cause found"
        cells = (f"`{each.scenario.name}`", each.scenario.truth.cause, said, each.judgement.score)
        rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join([*rows, "", summary(results)])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def write(results: Sequence[Result], page: Path = PAGE) -> None:
    """Between the marks."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise StackError(f"{page} has no {BEGIN} ... {END}.")
    page.write_text(f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}", encoding="utf-8")


def listed(page: Path = PAGE) -> list[str]:
    """The drills in the table of the page."""
    shown = page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    return re.findall(r"^\| `([^`]+)` \|", shown, re.MULTILINE)


def overview(scenarios: Sequence[Scenario]) -> Iterator[str]:
    """The output of `python -m dev.drills --list`."""
    widest = max(len(each.name) for each in scenarios)
    for each in scenarios:
        yield f"{each.name:<{widest}}  {each.title}"
