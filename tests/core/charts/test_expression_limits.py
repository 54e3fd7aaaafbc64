"""Which expressions of alerts are run, and which cost too much."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.charts.expression_limits import too_much

RULES = sorted((Path(__file__).parents[3] / "rules").glob("*.yml"))
FINE = [
    "up",
    "sum by (job) (rate(http_requests_total{code=~'5..'}[5m])) > 0.05",
    "max_over_time(rate(x[5m])[1d:1m])",
    "avg_over_time(x[7d]) offset 30d",
    "x[300] > 1",
    "rate(x[1h30m] @ end())",
    '{__name__="x", job="a"}',
    "{job='a', __name__ = 'x'}",
    '{"http.requests", job="a"} > 1',
    "x{a='[365d]', b=\"{c}\", d=`[1y:1ms]`} > 1  # [365d:1s] {",
    "a and b{c='d'} unless on (e) f",
]
COSTLY = {
    "rate(x[8d])": "looks back over [8d]",
    "rate(x[1y])": "looks back",
    "rate(x[604801])": "looks back",
    "rate(x[1000000000ms])": "looks back",
    "max_over_time(x[1d:1s])": "evaluated 86400 times",
    "max_over_time(x[7d:])": "evaluated 10080 times",
    "max_over_time(x[1h:0s])": "evaluated inf times",
    "max_over_time(max_over_time(x[1h:1m])[1h:1m])": "evaluated 3600 times",
    "x[5m + 5m]": "not a duration",
    "x[step()]": "not a duration",
    "x[]": "not a duration",
    "{job='a'}": "without a metric name",
    "{}": "without a metric name",
    "count({__name__=~'.+'})": "without a metric name",
    "{__name__!='x'}": "without a metric name",
    "{__name__=''}": "without a metric name",
    "{x='__name__=', __name__=~'.'}": "without a metric name",
    "{'x'='y'}": "without a metric name",
    "{'__name__'=~'.+'}": "without a metric name",
    "a or {b='c'}": "without a metric name",
    "1 > BOOL {b='c'}": "without a metric name",
    "sum by (a) ({b='c'})": "without a metric name",
    " + ".join(["x"] * 101): "101 names",
    "x{a={b}}": "nested selectors",
    "x[[5m]]": "nested brackets",
    "x{": "missing",
    "x)": "closes nothing",
    "x{a='b}": "no end",
}


@pytest.mark.parametrize("expr", FINE)
def test_the_expression_of_an_alert_is_allowed(expr: str) -> None:
    assert too_much(expr) is None


@pytest.mark.parametrize(("expr", "why"), COSTLY.items())
def test_an_expression_that_costs_too_much_or_cannot_be_parsed_is_refused(expr: str, why: str) -> None:
    assert why in (too_much(expr) or "")


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_shipped_expression_is_allowed(path: Path) -> None:
    rules = [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    assert {rule["alert"]: why for rule in rules if "alert" in rule and (why := too_much(rule["expr"]))} == {}


@given(st.text(alphabet="x[]{}()'\"`#\\:=~, 5dm\x01\n", max_size=60) | st.text(max_size=60))
def test_any_text_is_allowed_or_refused(expr: str) -> None:
    assert too_much(expr) is None or isinstance(too_much(expr), str)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("expr", ["a" * 100_000, "a" + " " * 100_000, "{, " + " " * 100_000 + "}", "a." * 50_000])
def test_checking_an_expression_takes_linear_time(expr: str) -> None:
    """It happens in the loop that sends: a name of 4,000 letters stopped it for seconds, one like these for an hour."""
    too_much(expr)
