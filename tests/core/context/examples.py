"""Changes, versions and facts that the tests of causes share."""

from __future__ import annotations

from bridge.core.context.probe import Answered, Baseline, judged
from bridge.core.facts import Fact, Part, Unit, Verdict
from tests.builders import at
from tests.core.context.worlds import a_change, of_version

V2 = of_version("2.0.0", 0.35)

DEPLOYED = ((-1000.0, "1.0.0"), (-8.0, "2.0.0"))
DEPLOY = a_change("deploy", -8.5, "2.0.0", "1.0.0")


def rolled(deployed: float, back: float) -> tuple[tuple[float, str], ...]:
    return ((-1000.0, "1.1.0"), (deployed, "2.0.0"), (back, "1.1.0"))


ROLLBACK = [a_change("rollback", -0.3, "1.1.0", "2.0.0"), a_change("deploy", -9, "2.0.0", "1.1.0")]
TIMEOUTS = Fact("types", "Errors by type", Unit.COUNT, 500, at(0), parts=(Part("timeout", 500),), role="error_types")


SPIKE = Fact("requests", "Requests", Unit.PER_SECOND, 144, at(0), verdict=Verdict.BAD, role="traffic")


def golden(wrong: int, before: int) -> Fact:
    baseline = Baseline("1.0.0", before, 50, at(-9000))
    return judged([Answered("a", "1.0.0", wrong, 50)], [baseline], at(0)).facts[0]
