"""What an expression reads, and which labels its answer has."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import promql_parser
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)

LabelsOf = Callable[[VectorSelector], set[str]]


def nodes(expression: str) -> list[Expr]:
    """Every part of an expression, ranges' selectors included."""
    found: list[Expr] = []

    def visit(node: Expr) -> bool:
        found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def name_of(selector: VectorSelector) -> str:
    """What every selector here says; one that does not asks for series of any name."""
    assert selector.name is not None, str(selector)
    return selector.name


def selectors(node: Expr) -> Iterator[VectorSelector]:
    for each in nodes(str(node)):
        if isinstance(each, VectorSelector):
            yield each


def matchers(selector: VectorSelector) -> list[tuple[str, str, str]]:
    """(label, operator, value) of each; the operator by its name: Equal, NotEqual, Re or NotRe."""
    return [(each.name, str(each.op).rpartition(".")[2], each.value) for each in selector.matchers.matchers]


def output_labels(node: Expr, labels_of: LabelsOf) -> set[str]:
    """The labels that the answer can have; labels_of says which ones a selector's series have."""
    if isinstance(node, VectorSelector):
        return labels_of(node)
    if isinstance(node, MatrixSelector):
        return labels_of(node.vector_selector)
    if isinstance(node, AggregateExpr):
        return _of_aggregation(node, labels_of)
    if isinstance(node, BinaryExpr):
        return _of_both(node, labels_of)
    if isinstance(node, Call):
        return _of_call(node, labels_of)
    if isinstance(node, ParenExpr | UnaryExpr | SubqueryExpr):
        return output_labels(node.expr, labels_of)
    return set()


def _of_aggregation(node: AggregateExpr, labels_of: LabelsOf) -> set[str]:
    if node.modifier is None:
        return set()
    named = set(node.modifier.labels)
    return named if str(node.modifier.type).endswith("By") else output_labels(node.expr, labels_of) - named


def _of_both(node: BinaryExpr, labels_of: LabelsOf) -> set[str]:
    left, right = output_labels(node.lhs, labels_of), output_labels(node.rhs, labels_of)
    if str(node.op) == "or":
        return left & right  # only what both sides have is there for certain
    if isinstance(node.lhs, NumberLiteral) or (isinstance(node.lhs, Call) and node.lhs.func.name == "time"):
        return right
    modifier = node.modifier
    if modifier and modifier.matching and str(node.op) in "+-*/" and str(modifier.card).endswith("OneToOne"):
        named = set(modifier.matching.labels)
        return named if str(modifier.matching.type).endswith("Include") else left - named
    return left


def _of_call(node: Call, labels_of: LabelsOf) -> set[str]:
    if node.func.name == "absent":
        return {name for name, operator, _ in matchers(next(selectors(node))) if operator == "Equal"}
    vectors = [each for each in node.args if not isinstance(each, NumberLiteral)]
    labels = output_labels(vectors[-1], labels_of) if vectors else set()
    return labels - {"le"} if node.func.name == "histogram_quantile" else labels
