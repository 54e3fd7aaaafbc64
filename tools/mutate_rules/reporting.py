"""What came of a run, in words, and whether it is good enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.mutate_rules.mutants import Mutant

REQUIRED = 0.95  # of all mutants must be noticed, explained survivors counted as not noticed


@dataclass(frozen=True)
class Outcome:
    """caught: each mutant that was tried, and whether a test noticed it. known: survivors that have a reason."""

    caught: Sequence[tuple[Mutant, bool]]
    known: Mapping[str, str]
    complete: bool

    @property
    def survivors(self) -> list[str]:
        return [mutant.name for mutant, noticed in self.caught if not noticed]

    @property
    def unexplained(self) -> list[str]:
        return [name for name in self.survivors if name not in self.known]

    @property
    def outdated(self) -> list[str]:
        """Explained survivors that a test notices, or that no longer exist (told only after a complete run)."""
        noticed = {mutant.name for mutant, caught in self.caught if caught}
        tried = {mutant.name for mutant, _ in self.caught}
        return [name for name in self.known if name in noticed or (self.complete and name not in tried)]

    @property
    def share(self) -> float:
        return sum(noticed for _, noticed in self.caught) / len(self.caught) if self.caught else 0.0

    @property
    def good(self) -> bool:
        return not self.unexplained and not self.outdated and self.share >= REQUIRED


def lines(outcome: Outcome, seconds: float) -> Iterator[str]:
    """The report, from the single files to the verdict."""
    tried = Counter(mutant.rule.file for mutant, _ in outcome.caught)
    noticed = Counter(mutant.rule.file for mutant, caught in outcome.caught if caught)
    for file in sorted(tried):
        yield f"  {file:<16} {noticed[file]:>5} of {tried[file]:>5} noticed"
    explained = len(outcome.survivors) - len(outcome.unexplained)
    total = len(outcome.caught)
    yield (
        f"{total - len(outcome.survivors)} of {total} mistakes noticed ({outcome.share:.1%}, at least {REQUIRED:.0%} "
        f"needed), {explained} survivors explained, in {seconds:.0f} s"
    )
    yield from _complaints(outcome)


def _complaints(outcome: Outcome) -> Iterator[str]:
    if outcome.unexplained:
        yield "No test notices these. Write one, or explain them in tools/mutate_rules/survivors.yml:"
        yield from (f"  {name}" for name in outcome.unexplained)
    if outcome.outdated:
        yield "These are explained in survivors.yml, but they are noticed or do not exist any more. Take them out:"
        yield from (f"  {name}" for name in outcome.outdated)
