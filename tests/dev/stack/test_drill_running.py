"""The steps of a drill against a scripted world: what is shown, what is undone, and what a missing step says."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dev.stack import drill as drilling
from dev.stack import drill_start
from dev.stack.drill import Run
from dev.stack.drill_scenarios import Drill
from dev.stack.drill_screen import Screen, measured
from dev.stack.drill_start import free_ports
from dev.stack.drill_watching import Incident, Rule, Site, Unanswered
from dev.stack.errors import StackError
from dev.stack.places import ROOT, Places
from dev.stack.ports import NAMES, Ports, variable

RULE = Rule("MyAlert", "x > 1", 10, 5, {"severity": "critical"})


@dataclass
class World:
    """An alert that goes one step further whenever its state is asked, up while the fault is there, then down."""

    reaches: str = "notified"
    faulty: bool = False
    state_now: str = ""
    notified: bool = False
    undone: list[bool] = field(default_factory=list)
    causes: list[str | None] = field(default_factory=lambda: [None, ""])  #: as they are asked for

    @contextmanager
    def fault(self, site: Site) -> Iterator[None]:
        self.faulty = True
        try:
            yield
        finally:
            self.faulty = False
            self.undone.append(True)

    def value(self, expression: str) -> float | None:
        return 0.25 if self.faulty and self.reaches != "nothing" else None

    def state(self, alert: str) -> str:
        if self.faulty:
            rising = {"": "pending", "pending": "firing" if self.reaches != "pending" else "pending"}
            self.state_now = rising.get(self.state_now, "firing")
        else:
            self.state_now = "firing" if self.state_now and self.reaches == "for ever" else ""
        return self.state_now

    def incident(self, alert: str) -> Incident | None:
        if not self.notified:
            return None
        return Incident(7, "u", "key", "open" if self.faulty else "resolved", 1, "http://bridge/incidents/7")

    def cause(self, incident: Incident) -> str | None:
        return self.causes.pop(0)

    def message(self, rule: Rule, incident: Incident | None, firing: bool) -> str:
        if self.reaches == "silence":
            raise Unanswered("http://sandbox/state does not answer")
        self.notified = self.reaches != "firing"
        return f"page #1, {'triggered' if firing else 'resolved'}" if incident else ""

    def since(self, alert: str) -> str:
        return "Alertmanager mutes it, because of Worse"


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drilling, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(drilling, "MARGIN_SECONDS", 0.05)


def site(places: Places) -> Site:
    return Site(places, Ports(), 30)


def drilled(world: World, places: Places) -> tuple[Run, io.StringIO]:
    drill = Drill("errors", "MyAlert", "it fails", (world.fault,), "x", "%", "more than 5 %", 0)
    stream = io.StringIO()
    rule = Rule(RULE.alert, RULE.expression, 0.01, 0.01, RULE.labels)
    return Run(drill, site(places), Screen(stream), world, rule), stream  # type: ignore[arg-type]


def names(shown: str) -> list[str]:
    return [line.split()[2] for line in shown.splitlines() if " s  " in line]


def test_each_step_is_shown_in_its_order(places: Places) -> None:
    world = World()
    run, stream = drilled(world, places)
    run.all()
    expected = ["quiet", "fault", "condition", "pending", "firing", "delivered", "cause", "undone", "ended", "resolved"]
    assert names(stream.getvalue()) == expected
    assert "25.0% (limit: more than 5 %)" in stream.getvalue()
    assert "page #1, triggered\n" in stream.getvalue()
    assert "http://bridge/incidents/7" in stream.getvalue()
    assert world.undone == [True]


def test_a_cause_is_shown_and_a_wrong_one_fails_the_drill(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drilling, "CAUSES", {"MyAlert": "my pod"})
    right, wrong = (World(causes=[f"{cause} fails (pod_fails, likely)"]) for cause in ("My pod", "Your pod"))
    run, stream = drilled(right, places)
    run.all()
    assert "My pod fails (pod_fails, likely)" in stream.getvalue()
    run, stream = drilled(wrong, places)
    with pytest.raises(StackError, match=r"That cause is wrong: it fails, so it should say /my pod/, or none"):
        run.all()
    assert "Your pod fails" in stream.getvalue()
    assert wrong.undone == [True]


def test_an_alert_without_a_possible_cause_may_name_none(places: Places) -> None:
    run, _ = drilled(World(causes=["It was deployed (changed, likely)"]), places)
    with pytest.raises(StackError, match="That cause is wrong"):
        run.all()


@pytest.mark.parametrize(
    ("reaches", "step", "seen"),
    [
        ("nothing", "condition", "no value"),
        ("pending", "firing", "25.0%"),
        ("firing", "delivered", "Alertmanager mutes it, because of Worse; the bridge has no incident of MyAlert"),
        ("silence", "delivered", "PagerDuty does not show it"),
        ("for ever", "ended", "no value"),
    ],
)
def test_a_step_that_does_not_come_is_explained_and_undone(places: Places, reaches: str, step: str, seen: str) -> None:
    world = World(reaches)
    run, stream = drilled(world, places)
    with pytest.raises(StackError) as caught:
        run.all()
    message = str(caught.value)
    assert f"The step {step!r} was not reached within" in message
    assert seen in message
    assert "http://127.0.0.1:9090/alerts  (x > 1)" in message
    assert str(places.logs) in message
    assert world.undone == [True]
    assert names(stream.getvalue())[-1] != step


def test_ctrl_c_undoes_the_fault(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    run, stream = drilled(world, places)

    def pressed(alert: str) -> str:
        if world.faulty:
            raise KeyboardInterrupt
        return ""

    monkeypatch.setattr(world, "state", pressed)
    with pytest.raises(KeyboardInterrupt):
        run.all()
    assert world.undone == [True]
    assert names(stream.getvalue())[-1] == "undone"


def test_an_alert_that_still_fires_is_waited_for_and_no_fault_begins(places: Places) -> None:
    world = World("for ever", state_now="firing")
    run, _ = drilled(world, places)
    with pytest.raises(StackError, match="'quiet' was not reached"):
        run.all()
    assert world.undone == []


def test_an_alert_that_was_posted_by_hand_is_named_with_where_it_is(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    run, _ = drilled(world, places)
    monkeypatch.setattr(
        world, "incident", lambda alert: Incident(7, "u", "key", "open", 1, "http://bridge/incidents/7")
    )
    with pytest.raises(StackError, match=r"Prometheus has no MyAlert, but the bridge has incident 7 \(open\)"):
        run.all()


def test_a_drill_is_chosen_by_its_scenario_or_its_alert() -> None:
    assert drilling.chosen("errors", "").alert == "MLErrorRateCritical"
    assert drilling.chosen("errors", "MLErrorRateElevated").alert == "MLErrorRateElevated"
    with pytest.raises(StackError, match=r"no scenario 'eror'\. There are: errors, latency"):
        drilling.chosen("eror", "")
    with pytest.raises(StackError, match=r"no drill for 'X'\. It has: MLConfidenceDrift,"):
        drilling.chosen("drift", "X")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.1234, "%", "12.3%"),
        (1.6e9, "B", "1.60 GB"),
        (0.737, "s", "0.737 s"),
        (3, "", "3"),
        (None, "s", "no value"),
    ],
)
def test_a_value_is_printed_for_users(value: float | None, unit: str, text: str) -> None:
    assert measured(value, unit) == text


def test_a_step_overwrites_what_moved_before_it() -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    still, moving = io.StringIO(), Tty()
    for stream in (still, moving):
        screen = Screen(stream)
        screen.waiting("firing", "12 %")
        screen.step("firing", "15 %")
    assert len(still.getvalue().splitlines()) == 1
    assert moving.getvalue().count("\r\x1b[K") == 2


def test_free_ports_are_all_different_and_complete() -> None:
    found = free_ports()
    assert sorted(found) == sorted(variable(name) for name in NAMES)
    assert len(set(found.values())) == len(NAMES)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stack that was started for a drill leaves its logs, in the place of the checkout's .run."""
    monkeypatch.setattr(drill_start, "Places", lambda *run: Places(*(run or [tmp_path / ".run"])))
    return tmp_path / ".run" / "drill-logs"


def test_a_stack_of_its_own_that_cannot_start_says_why(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEED", "fast")
    with pytest.raises(StackError, match=r"SPEED='fast' is not a speed"), drill_start.started():
        raise AssertionError("it cannot start")


def test_a_stack_of_its_own_leaves_its_logs_when_the_drill_fails(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StackError, match=rf"gone wrong\n.*kept: {kept}"), _without_a_stack(monkeypatch):
        raise StackError("gone wrong")
    assert (kept / "api.log").read_text() == "what was seen"


def _without_a_stack(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[Places]:
    def no_stack(places: Places, log: int) -> subprocess.Popen[bytes]:
        places.create()
        (places.logs / "api.log").write_text("what was seen")
        places.running.touch()
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(drill_start, "_up", no_stack)
    return drill_start.started()


def test_a_drill_without_make_up_ends_with_status_one(places: Places) -> None:
    words = [sys.executable, "-m", "dev.stack", "drill", "errors", "--run", str(places.run)]
    done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "No complete `make up` was found" in done.stderr
