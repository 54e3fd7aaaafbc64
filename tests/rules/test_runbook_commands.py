"""The commands of the runbooks are copied by responders who have just been woken: each names only what there is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import promql_parser
import pytest
import yaml
from promql_parser import AggregateExpr, VectorSelector

from bert_api.__main__ import main as bert_api
from bridge.cli.main import main as bridge
from dev.tools.mutate_rules.rule_files import read_rules
from tests.rules import exported
from tests.rules import promql_reading as reading

ROOT = Path(__file__).resolve().parents[2]
EXPORTED = exported.everything()
RECORDED = {rule.produces for rule in read_rules(ROOT / "rules").rules if "record" in rule.fields}
#: of Kubernetes, and of Prometheus about itself; no rule reads them
ELSEWHERE = {
    "ALERTS",
    "container_cpu_cfs_periods_total",
    "container_cpu_cfs_throttled_periods_total",
    "prometheus_config_last_reload_success_timestamp_seconds",
    "prometheus_engine_query_duration_seconds",
}
FENCE = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words[:6])}"


def commands() -> Iterator[Command]:
    for page in sorted((ROOT / "docs/runbooks").glob("*.md")):
        for block in FENCE.findall(page.read_text(encoding="utf-8")):
            for line in block.strip().splitlines():
                yield Command(page.stem, tuple(shlex.split(line, comments=True)))


def each(*beginning: str) -> pytest.MarkDecorator:
    found = [command for command in commands() if command.words[: len(beginning)] == beginning]
    assert found
    return pytest.mark.parametrize("command", found, ids=str)


@each("promtool", "query", "instant")
def test_a_question_asks_for_series_and_labels_that_are_exported(command: Command) -> None:
    *_, address, expression = command.words
    assert address == "$PROMETHEUS"
    for node in reading.nodes(expression):
        if isinstance(node, VectorSelector) and reading.name_of(node) not in ELSEWHERE:
            assert reading.name_of(node) in EXPORTED or reading.name_of(node) in RECORDED
            assert {label for label, _, _ in reading.matchers(node)} <= labels_of(node)
        if isinstance(node, AggregateExpr) and node.modifier and not ELSEWHERE & names_in(node):
            assert set(node.modifier.labels) <= reading.output_labels(node.expr, labels_of)


def labels_of(selector: VectorSelector) -> set[str]:
    name = reading.name_of(selector)
    if ":" in name:
        return set(re.findall(r"namespace|job|pod|version|error_type|bin|le", name.partition(":")[0]))
    series = EXPORTED[name]
    if name == "up":
        return set().union(*exported.TARGET_LABELS.values())
    return series.labels | exported.TARGET_LABELS[series.job]


def names_in(node: promql_parser.Expr) -> set[str]:
    return {reading.name_of(each) for each in reading.selectors(node)}


@each("python", "-m", "bert_api")
def test_a_command_of_the_api_is_one_that_it_has(command: Command) -> None:
    assert_taken(bert_api, command.words[3:])


@each("bridge")
def test_a_command_of_the_bridge_is_one_that_it_has(command: Command) -> None:
    assert_taken(bridge, command.words[1:])


def assert_taken(program: click.Command, words: tuple[str, ...]) -> None:
    """Parsed as the program would, without running anything or looking for files."""
    context = click.Context(program)
    while isinstance(program, click.Group):
        _, found, rest = program.resolve_command(context, list(words))
        assert found is not None
        program, words, context = found, tuple(rest), click.Context(found, parent=context)
    given, left, _ = program.make_parser(context).parse_args(list(words))
    needed = {each.name for each in program.params if isinstance(each, click.Argument) and each.required}
    assert left == []
    assert not [name for name in needed if not isinstance(given[name or ""], str | tuple)]


@pytest.mark.parametrize(
    "words", ["incidents shwo 1", "incidents show", "send-test", "send-test a b", "check --rule x"]
)
def test_a_command_that_no_program_takes_is_found(words: str) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        assert_taken(bridge, tuple(words.split()))


def in_the_cluster() -> set[str]:
    """kind/name of everything, and each label as name=value."""
    files = [file for file in (ROOT / "k8s").rglob("*.yaml") if "config" not in file.relative_to(ROOT).parts]
    documents = (document for file in files for document in yaml.safe_load_all(file.read_text()) if document)
    named = [each for each in documents if "metadata" in each]
    labels = (label for each in named for label in each["metadata"].get("labels", {}).items())
    return {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in named} | {
        "=".join(each) for each in labels
    }


@each("kubectl")
def test_what_kubectl_is_asked_for_is_in_the_cluster(command: Command) -> None:
    words, known = command.words, in_the_cluster()
    asked = {word.removeprefix("--selector=") for word in words if word.startswith(("deployment/", "--selector="))}
    if "endpoints" in words:
        asked.add(f"service/{words[words.index('endpoints') + 1]}")
    if "exec" in words:
        asked.add(f"statefulset/{words[words.index('exec') + 1].rpartition('-')[0]}")
    assert asked <= known


@each("curl")
def test_prometheus_is_not_asked_for_what_it_is_started_without(command: Command) -> None:
    """`/-/reload` and `/-/quit` need --web.enable-lifecycle."""
    assert not [word for word in command.words if word.startswith("$PROMETHEUS/-/")]
