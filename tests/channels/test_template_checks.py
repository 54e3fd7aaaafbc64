"""What `bridge check` says of an operator's templates: names that are none, in any branch, and useless files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.rendering.renderer import check_templates
from bridge.rendering.template_checks import useless_files

KINDS = {"slack-ml": "slack", "pagerduty-ml": "pagerduty", "email-ml": "email"}


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("{{ colour }}", 1, "unknown variable 'colour'; known: acknowledged_by, after, after_measured,"),
        ("a\n{{ titel }}", 2, "unknown variable 'titel'; did you mean 'title'? known: "),
        ("{% if flapping %}\n{{ statte }}\n{% endif %}", 2, "unknown variable 'statte'; did you mean 'state'?"),
        ("{% if severity == 'none' %}x{% elif sevrity %}y{% endif %}", 1, "did you mean 'severity'?"),
        ("\n{% for each in alerts %}{{ each.nam }}{% endfor %}", 2, "AlertLine has no 'nam'; it has name, status,"),
        ("{{ links[0].url }}", 1, "Link has no 'url'; it has text, href"),
    ],
)
def test_a_name_that_is_none_is_reported_with_those_that_are(tmp_path: Path, text: str, line: int, words: str) -> None:
    (found,) = check_templates(write(tmp_path, summary_txt=text))
    assert found.startswith(f"summary.txt: UndefinedError in line {line}: ")
    assert words in found


@pytest.mark.parametrize(
    ("text", "words"), [("{{ title | upcase }}", "No filter named 'upcase'"), ("{{ title is text }}", "No test named")]
)
def test_a_filter_or_test_that_is_none_is_a_fault_in_words(tmp_path: Path, text: str, words: str) -> None:
    (found,) = check_templates(write(tmp_path, summary_txt=text))
    assert found.startswith("summary.txt: TemplateAssertionError in line 1: ") and words in found


def test_two_mistakes_are_two_faults(tmp_path: Path) -> None:
    folder = write(tmp_path, body_txt="{{ a_name }}\n{{ b_name }}", slack__summary_txt="{{ c_name }}")
    assert [found.split("variable ")[1][:8] for found in check_templates(folder)] == [
        "'a_name'",
        "'b_name'",
        "'c_name'",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{% for each in alerts %}{{ loop.index }} {{ each.name }}{% endfor %}",
        "{% set word = title %}{{ word }}",
        "{% macro line(what) %}{{ what }}{% endmacro %}{{ line(title) }}",
        "{{ runbook | default('none') }}{% if later is defined %}{{ later }}{% endif %}",
        "{{ range(3) | list }}{{ in_words(updated_at - opened_at) }}",
        "{% include 'part.txt' %}",
    ],
)
def test_names_of_the_templates_own_are_right(tmp_path: Path, text: str) -> None:
    assert list(check_templates(write(tmp_path, summary_txt=text, part_txt="{{ title }}"))) == []


def test_files_that_replace_nothing_are_reported(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        sumary_txt="x", body_htm="x", part_txt="x", body_txt="{% include 'part.txt' %}", README_md="x",
        slack__body_txt="x", email__body_txt="x", nights__summary_txt="x",
    )  # fmt: skip
    write(tmp_path, **{"slak-ml__summary_txt": "x", "pagerduty-ml__body_html": "x", "email-ml__summary_j2": "x"})
    assert list(useless_files(folder, KINDS, {"nights"}, {"pagerduty", "slack"})) == [
        "pagerduty-ml/body.html has no effect: only mail uses it",
        "slack/body.txt has no effect: only mail uses it",
        "slak-ml/ is not used: no channel, kind or route's template has this name; did you mean 'slack-ml'?",
        "body.htm has no effect; did you mean 'body.html'?",
        "email-ml/summary.j2 has no effect; did you mean 'summary.txt'?",
        "sumary.txt has no effect; did you mean 'summary.txt'?",
    ]
