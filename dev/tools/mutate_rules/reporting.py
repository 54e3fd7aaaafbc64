"""The report of a run, and whether it is good enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dev.tools.mutate_rules.mutants import Mutant

#: of all mutants must be noticed, explained survivors counted as not noticed; a single rule may have less
REQUIRED = 0.95


@dataclass(frozen=True)
class Outcome:
    """caught: each mutant that was tried, and whether a test noticed it. known: pattern of survivors -> reason."""

    caught: Sequence[tuple[Mutant, bool]]
    known: Mapping[str, str]
    required: float = REQUIRED
    complete: bool = True

    @property
    def survivors(self) -> list[str]:
        return [mutant.name for mutant, noticed in self.caught if not noticed]

    @property
    def unexplained(self) -> list[str]:
        return [name for name in self.survivors if not any(fnmatchcase(name, pattern) for pattern in self.known)]

    @property
    def outdated(self) -> list[str]:
        """Explanations without a survivor; meaningful only after a complete run."""
        if not self.complete:
            return []
        return [pattern for pattern in self.known if not any(fnmatchcase(name, pattern) for name in self.survivors)]

    @property
    def share(self) -> float:
        return sum(noticed for _, noticed in self.caught) / len(self.caught) if self.caught else 0.0

    @property
    def good(self) -> bool:
        return not self.unexplained and not self.outdated and self.share >= self.required


def lines(outcome: Outcome, seconds: float) -> Iterator[str]:
    """The report, from the single files to the verdict."""
    tried = Counter(mutant.rule.file for mutant, _ in outcome.caught)
    noticed = Counter(mutant.rule.file for mutant, caught in outcome.caught if caught)
    for file in sorted(tried):
        yield f"  {file:<16} {noticed[file]:>5} of {tried[file]:>5} noticed"
    explained = len(outcome.survivors) - len(outcome.unexplained)
    total = len(outcome.caught)
    yield (
        f"{total - len(outcome.survivors)} of {total} mistakes noticed ({outcome.share:.1%}, at least "
        f"{outcome.required:.0%} needed), {explained} survivors explained, in {seconds:.0f} s"
    )
    yield from _complaints(outcome)


def _complaints(outcome: Outcome) -> Iterator[str]:
    if outcome.unexplained:
        yield "No test notices these. Write one, or explain them in dev/tools/mutate_rules/survivors.yml:"
        yield from (f"  {name}" for name in outcome.unexplained)
    if outcome.outdated:
        yield "These in survivors.yml explain nothing any more: what they meant is noticed, or is gone. Take them out:"
        yield from (f"  {name}" for name in outcome.outdated)
