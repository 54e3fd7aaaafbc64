"""Mutate the alert rules, one mutant at a time, and list those that their tests do not catch.

Exit code: 0 all noticed or explained, 1 survivors without a reason or too many of them, 2 the tests fail as it is.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev.tools.mutate_rules.judging import Judge
from dev.tools.mutate_rules.known import FILE, read_survivors
from dev.tools.mutate_rules.mutants import Mutant, mutants_of
from dev.tools.mutate_rules.reporting import REQUIRED, Outcome, lines
from dev.tools.mutate_rules.rule_files import Rule, read_rules, read_tests, representatives

RULES = Path(__file__).resolve().parents[3] / "rules"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    judge = Judge(options.promtool.resolve(), read_rules(options.rules), read_tests(options.rules / "tests"))
    rules = [rule for rule in representatives(judge.rules.rules) if not options.only or rule.name in options.only]
    mutants = [each for rule in rules for each in mutants_of(rule) if _sampled(each, options.sample)]
    if not mutants:
        print(f"There is nothing to try: no rule in {options.rules} has the name given.", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(each.name for each in mutants))
        return 0
    return _try_all(judge, rules, mutants, options)


def _try_all(judge: Judge, rules: list[Rule], mutants: list[Mutant], options: argparse.Namespace) -> int:
    began = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        passing = list(pool.map(judge.passes_unchanged, rules))
        if not all(passing):
            broken = [f"  {rule.name}" for rule, passes in zip(rules, passing, strict=True) if not passes]
            print(
                "Even without a mistake these rules fail their tests, or have none:", *broken, sep="\n", file=sys.stderr
            )
            return 2
        noticed = list(pool.map(judge.catches, mutants))
    caught = list(zip(mutants, noticed, strict=True))
    complete = options.sample == 1 and not options.only
    required = 0.0 if options.only else REQUIRED
    outcome = Outcome(caught, read_survivors(options.survivors), required, complete)
    print(*lines(outcome, time.monotonic() - began), sep="\n")
    return 0 if outcome.good else 1


def _sampled(mutant: Mutant, every: int) -> bool:
    """By its name, so that it is the same on every machine, and a new test changes nothing."""
    return zlib.crc32(mutant.name.encode()) % every == 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.tools.mutate_rules", description=__doc__)
    parser.add_argument("--promtool", type=Path, required=True, help="path of promtool")
    parser.add_argument("--rules", type=Path, default=RULES, help="folder with the rules, and their tests in tests/")
    parser.add_argument("--survivors", type=Path, default=FILE, help="the file with the explained survivors")
    parser.add_argument("--only", action="append", metavar="NAME", help="only rules of this name; may be repeated")
    parser.add_argument("--sample", type=_positive, default=1, metavar="N", help="only every N-th mistake")
    parser.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--list", action="store_true", help="only say what would be tried")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
