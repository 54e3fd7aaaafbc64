"""Rule files of Prometheus: every rule with its line, and an explained fault for a file that cannot be read."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.rule_files import read_rule_files, rules_in

ROOT = Path(__file__).parents[2]
GOOD = """groups:
  - name: one
    rules:
      - record: a:b:sum
        expr: sum(a)
      - alert: Errors
        expr: rate(errors[5m]) > 5
        labels: {severity: critical, tier: 1, on: yes}
        annotations:
          summary: costs ${PRICE} and ${1}
"""


def test_an_alert_has_its_labels_its_line_and_its_place() -> None:
    found = rules_in(GOOD)
    assert found.faults == ()
    assert [(r.rule.alert, r.line, r.path) for r in found.rules] == [("Errors", 6, "groups[0].rules[1]")]
    assert found.rules[0].rule.labels == {"severity": "critical", "tier": "1", "on": "yes"}


def test_a_variable_is_not_replaced_in_a_rule() -> None:
    assert rules_in(GOOD).rules[0].rule.annotations == {"summary": "costs ${PRICE} and ${1}"}


def test_labels_of_the_rule_win_over_those_of_the_group() -> None:
    text = "groups: [{labels: {team: ml, severity: info}, rules: [{alert: A, expr: x, labels: {severity: warning}}]}]"
    assert rules_in(text).rules[0].rule.labels == {"team": "ml", "severity": "warning"}


def test_merge_keys_work_as_in_prometheus() -> None:
    text = "x: &all {team: ml, severity: info}\ngroups:\n- rules:\n"
    text += "  - {alert: A, expr: x, labels: {<<: *all, severity: critical}}\n"
    text += "  - {alert: B, expr: x, labels: {<<: *all}}\n"
    found = rules_in(text)
    assert found.faults == ()
    assert [placed.rule.labels for placed in found.rules] == [
        {"team": "ml", "severity": "critical"},
        {"team": "ml", "severity": "info"},
    ]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "groups: []\n", "groups:\n- name: a\n  rules:\n"])
def test_a_file_without_rules_is_no_fault(text: str) -> None:
    assert (rules_in(text).rules, rules_in(text).faults) == ((), ())


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("groups: [\n", 2, "this is not YAML"),
        ("a: b\n", 1, "groups: is missing; a rule file starts with groups:"),
        ("- alert: A\n", 1, "should be keys with values; a rule file starts with groups:"),
        ("groups: rules\n", 1, "groups: should be a list"),
        ("groups:\n- just text\n", 2, "groups[0]: should be keys with values"),
        ("groups:\n- name: a\n", 2, "groups[0].rules: is missing"),
        ("groups:\n- rules:\n  - expr: x\n", 3, "groups[0].rules[0]: is neither an alert nor a record"),
        ("groups:\n- rules:\n  - alert: [x]\n", 3, "groups[0].rules[0]: is neither an alert nor a record"),
        ("groups:\n- rules:\n  - alert: A\n", 3, "groups[0].rules[0].expr: A has no expression"),
        ("groups:\n- rules:\n  - alert: A\n    expr: x\n    labels: [a]\n", 5, "groups[0].rules[0].labels: should be"),
        ("groups:\n- rules:\n  - {alert: A, expr: x, labels: {a: {b: c}}}\n", 3, "rules[0].labels.a: should be text"),
        (
            "groups:\n- rules:\n  - alert: A\n    alert: B\n    expr: x\n",
            4,
            "groups[0].rules[0].alert: a second 'alert'",
        ),
        ("groups:\n- <<: 5\n  rules: []\n", 2, "groups[0]: << takes keys with values"),
        ("groups: &a [*a]\n", 1, "an alias contains itself"),
    ],
)
def test_a_fault_has_its_line_and_advice(text: str, line: int, message: str) -> None:
    faults = [f"{fault.line}: {fault}" for fault in rules_in(text).faults]
    assert [message in fault for fault in faults if fault.startswith(f"{line}: ")] == [True], faults


WORDS = st.sampled_from(["groups", "rules", "alert", "expr", "labels", "annotations", "severity", "<<", "{{ $x }}", ""])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), WORDS)
TREES: st.SearchStrategy[object] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6), max_leaves=30
)


@given(TREES | st.fixed_dictionaries({"groups": st.lists(st.fixed_dictionaries({"rules": st.lists(TREES)}))}))
def test_no_data_gives_a_traceback(data: object) -> None:
    text = yaml.safe_dump(data, allow_unicode=True)
    found = rules_in(text)
    assert all(placed.rule.alert and placed.line <= text.count("\n") + 1 for placed in found.rules)


@given(st.text(alphabet="groups: []{}&*<-\n\t'\"#|>?!%@`", max_size=60))
def test_no_text_gives_a_traceback(text: str) -> None:
    found = rules_in(text)
    assert found.rules == () and all(fault.message for fault in found.faults)


def test_one_bad_rule_does_not_hide_the_others() -> None:
    found = rules_in("groups:\n- rules:\n  - 7\n  - {alert: A, expr: x}\n")
    assert ([placed.rule.alert for placed in found.rules], len(found.faults)) == (["A"], 1)


def test_a_folder_gives_its_own_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for name in ("b.yml", "a.yaml", "notes.txt", "tests/a_test.yml"):
        (tmp_path / name).write_text("groups: []\n")
    assert [Path(file.filename).name for file in read_rule_files([tmp_path])] == ["a.yaml", "b.yml"]


def test_an_unreadable_file_is_a_fault(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yml"
    latin.write_bytes(b"groups: [] # caf\xe9\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    messages = [file.faults[0].message for file in read_rule_files([latin, empty, tmp_path / "gone.yml"])]
    for words, message in zip(("not UTF-8", "no *.yml", "No such file"), messages, strict=True):
        assert words in message


def test_every_shipped_rule_can_be_read() -> None:
    files = read_rule_files([ROOT / "rules"])
    assert [fault for file in files for fault in file.faults] == []
    assert "Watchdog" in {placed.rule.alert for file in files for placed in file.rules}
