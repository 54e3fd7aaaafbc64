"""Run the tests about one rule with promtool, in a folder of their own."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from dev.tools.mutate_rules.mutants import Mutant
from dev.tools.mutate_rules.rule_files import Fields, Rule, RuleSet, rules_document, tests_about

TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Judge:
    """Knows all rules and tests. `promtool` is the path of that program."""

    promtool: Path
    rules: RuleSet
    tests: tuple[Fields, ...]

    def catches(self, mutant: Mutant) -> bool:
        """Whether a test fails with this mistake in."""
        wrong = replace(mutant.rule, fields=mutant.fields)
        return not self._passes(mutant.rule, wrong)

    def passes_unchanged(self, rule: Rule) -> bool:
        """Whether there are tests about this rule, and they pass as it is."""
        return bool(tests_about(rule, self.tests, "rules.yml")) and self._passes(rule, rule)

    def _passes(self, original: Rule, put_in: Rule) -> bool:
        needed = tuple(put_in if rule is original else rule for rule in self.rules.needed_by(original))
        with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
            return self._run(Path(folder), rules_document(needed), tests_about(original, self.tests, "rules.yml"))

    def _run(self, folder: Path, rules: Fields, tests: tuple[Fields, ...]) -> bool:
        # JSON is YAML, and much quicker to write.
        (folder / "rules.yml").write_text(json.dumps(rules), encoding="utf-8")
        names = [f"{number}_test.yml" for number in range(len(tests))]
        for name, test in zip(names, tests, strict=True):
            (folder / name).write_text(json.dumps(test), encoding="utf-8")
        command = [str(self.promtool), "test", "rules", *names]
        environment = {"TMPDIR": str(folder), "GOMAXPROCS": "1"}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=TIMEOUT_SECONDS, check=False
        )
        return done.returncode == 0
