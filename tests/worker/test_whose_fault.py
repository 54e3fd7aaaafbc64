"""Whatever fails for whatever reason, a healthy critical message is sent within seconds, and the vendor gets a bounded
number of requests. Seconds are those of a simulated clock.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.core.errors import Reason, SendError
from bridge.core.ports import Claim
from tests.worker.failing_world import FAULTS, HANGS, LIMITS, PAUSES, REFUSES, TIMEOUT, Fault, World, a_world

SOON = 3.0
DAY = 86_400.0


def poisoned(numbers: set[int], kind: str) -> Fault:
    fault = {**FAULTS, **PAUSES}[kind]
    return lambda claim, now: fault if claim.incident_number in numbers else None


def healthy_ones(world: World, *, every: float, times: int, severity: str = "critical") -> list[int]:
    found = []
    for number in range(times):
        found.append(world.fire(f"Healthy{number}", severity))
        world.run(every)
    return found


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("kind", FAULTS)
def test_one_delivery_that_always_fails_delays_no_other(tmp_path: Path, kind: str, workers: int) -> None:
    with a_world(tmp_path, workers=workers) as world:
        bad = world.fire("Poisoned")
        world.fault = poisoned({bad}, kind)
        world.run(60)
        found = healthy_ones(world, every=40, times=5)
        assert max(world.late(number) for number in found) < SOON
        assert 7 < world.attempts(bad) < 40


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("kind", FAULTS)
def test_fifty_deliveries_that_always_fail_delay_a_critical_one_by_seconds(
    tmp_path: Path, kind: str, workers: int
) -> None:
    with a_world(tmp_path, workers=workers) as world:
        bad = {world.fire(f"Poisoned{number}") for number in range(50)}
        world.fault = poisoned(bad, kind)
        world.run(2)
        found = healthy_ones(world, every=20, times=8)
        late = [world.late(number) for number in found]
        # if everything hangs, each slot is occupied for the whole timeout once
        assert max(late) < (TIMEOUT + 2 * SOON if kind == "hangs" else 2 * SOON), late
        assert min(world.attempts(number) for number in bad) >= 1
        world.run(800)
        before = len(world.attempted)
        world.run(240)
        assert 50 <= len(world.attempted) - before <= 150, "a delivery that fails alone is retried every two minutes"


@pytest.mark.parametrize("per_second", [2.0, None])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("several", [1, 4])
@pytest.mark.parametrize("kind", PAUSES)
def test_a_delivery_that_is_always_limited_or_locked_out_delays_no_critical_one(
    tmp_path: Path, kind: str, several: int, workers: int, per_second: float | None
) -> None:
    with a_world(tmp_path, workers=workers, per_second=per_second) as world:
        bad = {world.fire(f"Poisoned{number}", ["critical", "warning"][number % 2]) for number in range(several)}
        world.fault = poisoned(bad, kind)
        world.run(2)
        found = healthy_ones(world, every=17, times=6)
        assert max(world.late(number) for number in found[1:]) < 2 * SOON
        assert world.late(found[0]) < 2 * SOON + 5 * several, "each new delivery is attempted"


@pytest.mark.parametrize("kind", PAUSES)
def test_a_delivery_limited_or_locked_out_alone_pauses_nothing_while_others_succeed(tmp_path: Path, kind: str) -> None:
    with a_world(tmp_path) as world:
        bad = world.fire("Poisoned")
        world.fault = poisoned({bad}, kind)
        world.run(1)
        healthy_ones(world, every=1000, times=2)
        found = healthy_ones(world, every=40, times=30, severity="warning")
        assert max(world.late(number) for number in found) < SOON
        health = world.reader.health(world.intake._clock())
        assert (health.paused, health.alone) == ({}, {"pager": 1})
        assert 2 < world.attempts(bad) < 60


@pytest.mark.parametrize("kind", PAUSES)
def test_a_vendor_that_limits_or_locks_out_all_gets_few_requests(tmp_path: Path, kind: str) -> None:
    with a_world(tmp_path) as world:
        world.fault = lambda claim, now: PAUSES[kind]
        for number in range(20):
            world.fire(f"Waits{number}", "warning")
        world.run(30)
        assert len(world.attempted) <= 2, "deliveries that are not critical wait"
        for number in range(100):
            world.fire(f"Down{number}")
        before = len(world.attempted)
        world.run(50)
        assert len(world.attempted) - before <= 11, "new critical deliveries are attempted one by one"


@pytest.mark.parametrize("kind", FAULTS)
def test_fifty_critical_deliveries_that_always_fail_do_not_starve_less_severe_ones(tmp_path: Path, kind: str) -> None:
    with a_world(tmp_path) as world:
        bad = {world.fire(f"Poisoned{number}") for number in range(50)}
        world.fault = poisoned(bad, kind)
        world.run(30)
        found = healthy_ones(world, every=15, times=8, severity="warning")
        world.run(120)
        assert max(world.late(number) for number in found) < 60
        assert max(world.late(number) for number in found[4:]) < 15


@pytest.mark.parametrize("kind", FAULTS)
def test_after_an_outage_a_healthy_delivery_succeeds_although_fifty_still_fail(tmp_path: Path, kind: str) -> None:
    with a_world(tmp_path) as world:
        world.fault = lambda claim, now: FAULTS[kind]
        bad = {world.fire(f"Poisoned{number}") for number in range(25)}
        healthy = world.fire("Healthy")
        bad |= {world.fire(f"Poisoned{number}") for number in range(25, 50)}
        world.run(30)
        world.fault = poisoned(bad, kind)
        fresh = world.fire("Fresh")
        world.run(20)
        assert world.late(fresh) < 12
        assert world.late(healthy) < 30 + 20, (
            "a success shows that the vendor works: everything that waits is attempted"
        )


@pytest.mark.parametrize("kind", ["refuses", "resets", "hangs"])
def test_an_outage_is_probed_less_and_less_often_and_ends_within_seconds(tmp_path: Path, kind: str) -> None:
    with a_world(tmp_path) as world:
        world.fault = lambda claim, now: FAULTS[kind]
        found = [world.fire(f"Waits{number}") for number in range(20)]
        world.run(300)
        before = len(world.attempted)
        world.run(800)
        assert 90 <= len(world.attempted) - before <= 110, "one attempt in eight seconds, however many wait"
        assert max(world.attempts(number) for number in found) - min(world.attempts(number) for number in found) < 12
        world.now += DAY
        world.run(100)
        world.fault = lambda claim, now: None
        recovered = world.now
        world.run(60)
        arrived = [world.shown[number, ""] - recovered for number in found]
        assert min(arrived) < 8 + TIMEOUT
        assert max(arrived) < 8 + TIMEOUT + 20 / 2 + 1, "then at its pace"


def test_not_every_delivery_is_attempted_in_an_outage_with_timeouts(tmp_path: Path) -> None:
    """Each attempt that may have arrived must be followed up; an unnotified incident is in a digest or not sent."""
    with a_world(tmp_path) as world:
        world.fault = lambda claim, now: HANGS
        for number in range(100):
            world.fire(f"Waits{number}", "warning")
            world.run(10)
        assert len({number for _, number in world.attempted}) < 50
        critical = world.fire("Down")
        world.run(15)
        assert world.attempts(critical) > 0


@pytest.mark.parametrize("kind", FAULTS)
def test_a_mail_that_fails_for_many_recipients_delays_no_other(tmp_path: Path, kind: str) -> None:
    recipients = tuple(f"p{number}@example.org" for number in range(20))
    with a_world(tmp_path, limit=4, per_second=None, recipients=recipients) as world:
        bad = world.fire("Poisoned")
        world.fault = poisoned({bad}, kind)
        world.run(20)
        found = healthy_ones(world, every=60, times=3)
        assert max(world.late(number) for number in found) < SOON


@pytest.mark.parametrize("kind", FAULTS)
def test_a_recipient_that_always_fails_delays_no_other(tmp_path: Path, kind: str) -> None:
    recipients = ("ada@example.org", "bad@example.org", "eve@example.org")

    def fault(claim: Claim, now: float) -> object:
        return FAULTS[kind] if claim.target.recipient.startswith("bad") else None

    with a_world(tmp_path, limit=4, per_second=None, recipients=recipients) as world:
        world.fault = fault  # type: ignore[assignment]
        for number in range(12):
            incident = world.fire(f"Slow{number}", "warning")
            world.run(20)
            arrived = {who for at_number, who in world.shown if at_number == incident}
            assert arrived == {"ada@example.org", "eve@example.org"}
        assert world.reader.health(world.intake._clock()).paused == {}
        assert world.reader.health(world.intake._clock()).alone["pager"] == 12


def test_a_delivery_that_fails_alone_is_shown_as_such_and_pauses_nothing(tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        bad = world.fire("Poisoned")
        world.fault = poisoned({bad}, "refuses")
        healthy_ones(world, every=5, times=8)
        (shown,) = world.reader.deliveries(bad)
        assert shown.status == "pending"
        assert shown.why == "it fails alone: others of pager got through since it was tried"
        assert shown.last_error == "server: HTTP 500"
        health = world.reader.health(world.intake._clock())
        assert (health.paused, health.alone) == ({}, {"pager": 1})
        world.fault = lambda claim, now: None
        world.run(400)
        assert world.late(bad) < float("inf")
        assert world.reader.health(world.intake._clock()).alone == {}


def test_a_rate_limit_is_not_ended_by_a_send_that_was_in_flight(tmp_path: Path) -> None:
    """It applies to the whole channel, and an earlier success does not end it."""
    with a_world(tmp_path, per_second=None) as world:
        limited = world.fire("Limited")
        world.fault = lambda claim, now: LIMITS if claim.incident_number == limited and now < 5 else None
        world.run(1)
        others = [world.fire(f"Later{number}", "warning") for number in range(3)]
        world.run(15)
        assert [number for _, number in world.attempted] == [1], "nothing is sent while it lasts"
        world.run(20)
        assert {number for number, _ in world.shown} == {limited, *others}


def test_a_rate_limit_of_seconds_pauses_the_channel_for_exactly_that_time(tmp_path: Path) -> None:
    """Slack limits for one second at a time."""
    with a_world(tmp_path, per_second=1.0) as world:
        limited = world.fire("Limited")
        soon = SendError(Reason.RATE_LIMITED, "HTTP 429", retry_after=3)
        world.fault = lambda claim, now: soon if now < 1 else None
        world.run(0.5)
        later = world.fire("Later")
        world.run(2.4)
        assert [number for _, number in world.attempted] == [limited]
        world.run(3)
        assert {number for number, _ in world.shown} == {limited, later}


def test_a_single_failure_pauses_nothing(tmp_path: Path) -> None:
    with a_world(tmp_path, per_second=None) as world:
        bad = world.fire("Once")
        world.fault = lambda claim, now: REFUSES if claim.incident_number == bad and now < 1 else None
        world.run(0.2)
        assert world.reader.health(world.intake._clock()).paused == {}
        world.run(5)
        assert world.late(bad) < SOON
