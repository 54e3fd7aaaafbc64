"""What of an alert's expression is drawn. In doubt all of it, without a threshold."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.charts.expressions import MAX_EXPRESSION, Charted, Threshold, drawn_of, expression_in

PLAIN = [
    pytest.param("up > 5", "up", ">", 5, id="above"),
    pytest.param("up{a='> 3'} <= .5", "up{a='> 3'}", "<=", 0.5, id="operator in a string"),
    pytest.param('x{a="}"} >= 1e-3', 'x{a="}"}', ">=", 0.001, id="bracket in a string"),
    pytest.param('x{a="\\"> 1"} > 2', 'x{a="\\"> 1"}', ">", 2, id="escaped quote"),
    pytest.param("x{a=`\\`} > 2", "x{a=`\\`}", ">", 2, id="backticks know no escapes"),
    pytest.param("a / on (job) b < 0.65", "a / on (job) b", "<", 0.65, id="arithmetic on the left"),
    pytest.param("5 < x", "x", ">", 5, id="number on the left"),
    pytest.param("0 == x", "x", "==", 0, id="equality on the left"),
    pytest.param("min by (pod) (s) == 0", "min by (pod) (s)", "==", 0, id="equality"),
    pytest.param("-x < -3", "-x", "<", -3, id="negative"),
    pytest.param("x > (14.4 * 0.5)", "x", ">", 7.2, id="product"),
    pytest.param("x > 1 / 4", "x", ">", 0.25, id="quotient"),
    pytest.param("x > 0x1F", "x", ">", 31, id="hexadecimal"),
    pytest.param("((x > 2))", "x", ">", 2, id="brackets around"),
    pytest.param("brand:and_x > 1", "brand:and_x", ">", 1, id="operator's name within a name"),
    pytest.param("x > 0.05 and on (job) y >= 20", "x", ">", 0.05, id="guard"),
    pytest.param("(x > 0.05) AND y >= 20 unless z", "x", ">", 0.05, id="guards"),
    pytest.param("x offset 5m > 1 unless y", "x offset 5m", ">", 1, id="modifier"),
    pytest.param("sum(rate(x[5m]) > 1) > 2", "sum(rate(x[5m]) > 1)", ">", 2, id="comparison in brackets"),
    pytest.param(
        "max by (job) (\n  x > 0.2\n  and on (v) y >= 500\n)", "max by (job) (x)", ">", 0.2, id="largest of those above"
    ),
    pytest.param("min without (pod)(x < 3)", "min without (pod)(x)", "<", 3, id="smallest of those below"),
]

DOUBTFUL = [
    pytest.param("x > 1 or y > 2", id="two alternatives"),
    pytest.param("(a > 1) or (b > 2)", id="alternatives in brackets"),
    pytest.param("x > y", id="no number"),
    pytest.param("vector(1)", id="no comparison"),
    pytest.param("absent(x)", id="absence"),
    pytest.param("x > bool 1", id="bool"),
    pytest.param("x > 1 < 2", id="two comparisons"),
    pytest.param("x > Inf", id="infinity"),
    pytest.param("x > 1e999", id="too large a number"),
    pytest.param("x > 1 / 0", id="division by zero"),
    pytest.param("x > 1)", id="bracket too many"),
    pytest.param("(x > 1", id="bracket missing"),
    pytest.param('x{a="b} > 1', id="quote missing"),
    pytest.param("x(] > 1", id="brackets crossed"),
    pytest.param("max by (a) (x < 3)", id="largest of those below"),
    pytest.param("sum by (a) (x > 3)", id="sum of those above"),
    pytest.param("max(x > 3) + 1", id="more after the largest"),
    pytest.param("x and y > 5", id="threshold in the guard"),
    pytest.param("> 5", id="nothing on the left"),
    pytest.param("", id="nothing"),
    pytest.param("(" * 100 + "x" + ")" * 100 + " > 1 or y", id="deep"),
]


@pytest.mark.parametrize(("expr", "left", "operator", "number"), PLAIN)
def test_the_threshold_is_separated_from_the_expression(expr: str, left: str, operator: str, number: float) -> None:
    drawn = drawn_of(expr)
    assert drawn.expr == left
    assert drawn.threshold is not None
    assert drawn.threshold.operator == operator
    assert drawn.threshold.number == pytest.approx(number)


# this parser knows escapes within backticks; Prometheus' own does not
@pytest.mark.parametrize("expr", [case.values[0] for case in PLAIN if "`" not in str(case.values[0])])
def test_the_drawn_expression_is_valid_promql(expr: str) -> None:
    promql_parser.parse(drawn_of(expr).expr)


@pytest.mark.parametrize("expr", DOUBTFUL)
def test_an_unclear_comparison_is_drawn_whole(expr: str) -> None:
    assert drawn_of(expr) == Charted(expr)


NAMES = st.sampled_from(
    ["up", "job:x:ratio_rate5m", "sum by (job) (rate(x[5m]))", "x{a=\"> 1 and (\", b='}'}", "a / b"]
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)
OPERATORS = st.sampled_from([">", "<", ">=", "<=", "==", "!="])
GUARDS = st.sampled_from(["", " and on (job) y >= 20", " unless z{a='>'} == 1", " AND (b > 1 or c)"])


@given(left=NAMES, operator=OPERATORS, number=NUMBERS, guard=GUARDS, wraps=st.integers(0, 3))
def test_every_plain_comparison_is_split(left: str, operator: str, number: float, guard: str, wraps: int) -> None:
    expr = f"{'(' * wraps}{left} {operator} {number!r}{')' * wraps}{guard}"
    assert drawn_of(expr) == Charted(left, Threshold(operator, number))


@given(st.text(alphabet="x1 .<>=!()[]{}'\"`\\#andorbymax\n", max_size=60))
def test_any_text_is_drawn_whole_or_its_left_side_has_matching_brackets(expr: str) -> None:
    drawn = drawn_of(expr)
    if drawn.threshold is None:
        assert drawn.expr == expr.strip()
    else:
        left = f"({drawn.expr}\n)"
        assert drawn_of(f"{left} > 1") == Charted(left, Threshold(">", 1))


@given(st.text(max_size=200))
def test_the_expression_is_read_from_a_link_of_prometheus(expr: str) -> None:
    link = f"http://prometheus:9090/graph?{urlencode({'g0.expr': expr, 'g0.tab': '1'}, errors='replace')}"
    expected = expr.encode(errors="replace").decode().strip()
    assert expression_in(link) == (expected or None)


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("", id="none"),
        pytest.param("https://grafana.example.org/alerting/grafana/x/view", id="Grafana's"),
        pytest.param("http://[", id="no address"),
        pytest.param("http://p/graph?g0.expr=", id="empty"),
        pytest.param(f"http://p/graph?g0.expr={'x' * (MAX_EXPRESSION + 1)}", id="too long"),
        pytest.param(f"http://p/graph?g0.expr=x&{'a=b&' * 100}", id="too many fields"),
        pytest.param(f"http://p/graph?x={'y' * 20_000}&g0.expr=x", id="too long a link"),
    ],
)
def test_a_link_without_an_expression_gives_none(link: str) -> None:
    assert expression_in(link) is None


def test_the_expression_is_read_from_a_link_of_the_newer_interface() -> None:
    assert expression_in(f"http://p:9090/query?g0.expr={quote('a + b > 1')}&g0.tab=0") == "a + b > 1"
