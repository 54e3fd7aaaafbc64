"""Runs scenarios: 25 hours are written into a Prometheus, then a bridge is sent their alerts, all at one moment."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dev.drills import alerts, rules, sending
from dev.drills.alerts import Outbreak
from dev.drills.judging import FAILED_SECONDS, Judgement, Known, judge
from dev.drills.prometheus import Prometheus, running_prometheus
from dev.drills.reading import Said, said
from dev.drills.samples import Service, poorer, service_of
from dev.drills.scenario import Scenario
from dev.drills.site import Site, running_site
from dev.drills.timeline import FINE_SECONDS, answering, is_silent, timelines

AT_ONCE = 4  #: alerts that are sent at once: each asks Prometheus some dozens of questions
PREPARING_SECONDS, PREPARING_EACH = 8.0, 1.0
POOR_SECONDS = 120
Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    scenario: Scenario
    outbreaks: tuple[Outbreak, ...]
    now: int
    said: Said
    judgement: Judgement


def run(scenarios: Sequence[Scenario], say: Say, *, poorly: bool = False) -> list[Result]:
    """In the order of the scenarios; poorly: see `poor`. Raises StackError."""
    together = [each for each in scenarios if not each.alone]
    worlds = [together] if together else []
    worlds += [[each] for each in scenarios if each.alone]
    with ThreadPoolExecutor(len(worlds)) as pool:
        found = {
            each.scenario.name: each
            for world in pool.map(lambda world: _run(world, say, poorly), worlds)
            for each in world
        }
    return [found[each.name] for each in scenarios]


def _run(scenarios: Sequence[Scenario], say: Say, poorly: bool) -> list[Result]:
    with replayed(scenarios, say, poorly=poorly) as (_, results):
        return results


@contextmanager
def replayed(scenarios: Sequence[Scenario], say: Say, *, poorly: bool = False) -> Iterator[tuple[Site, list[Result]]]:
    """In one Prometheus and one bridge, which still run, with the sandbox that has the messages. Raises StackError."""
    with tempfile.TemporaryDirectory(prefix="incident-bridge-drills-") as name, ExitStack() as running:
        folder = Path(name)
        prometheus = running.enter_context(running_prometheus(folder))
        now = _moment(len(scenarios) * (2 if poorly else 1))
        services = [service_of(each, now) for each in scenarios]
        fired = prepare(prometheus, services, now, say)
        asked = running.enter_context(poor(folder, services, now)) if poorly else prometheus
        site = running.enter_context(running_site(folder, asked.url))
        _wait_until(now)
        _notify(site, scenarios, fired, now)
        say(f"the alerts were sent within {time.time() - now:.0f} s")
        yield site, list(_results(site, services, fired, now))


def _moment(count: int) -> int:
    """When the alerts are sent: not before everything is written."""
    then = time.time() + PREPARING_SECONDS + PREPARING_EACH * count
    return int(then) // FINE_SECONDS * FINE_SECONDS + FINE_SECONDS


def prepare(prometheus: Prometheus, services: Sequence[Service], now: int, say: Say) -> dict[str, list[Outbreak]]:
    """What fired in each scenario, by its name. Raises StackError when the alert of one did not fire."""
    began = time.monotonic()
    for service in services:
        prometheus.write(service.series())
    written = time.monotonic()
    recordings, alert_rules = rules.read()
    rules.record(prometheus, recordings, now)
    recorded = time.monotonic()
    every = alerts.evaluate(prometheus, alert_rules, now)
    say(
        f"{len(services)} histories of 25 h in {written - began:.0f} s, of the rules in {recorded - written:.0f} s, "
        f"of the alerts in {time.monotonic() - recorded:.0f} s"
    )
    return sending.outbreaks_of([each.scenario for each in services], every)


@contextmanager
def poor(folder: Path, services: Sequence[Service], now: int) -> Iterator[Prometheus]:
    """It knows less: scraped half as often, no ends of series, rules evaluated for two minutes only, no ALERTS."""
    (folder / "poor").mkdir()
    with running_prometheus(folder / "poor") as prometheus:
        for service in services:
            prometheus.write(poorer(each) for each in service_of(service.scenario, now).series())
        rules.record(prometheus, rules.read()[0], now, now - POOR_SECONDS)
        yield prometheus


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def _notify(site: Site, scenarios: Sequence[Scenario], fired: dict[str, list[Outbreak]], now: int) -> None:
    for part in _parts(scenarios):
        _send(site, part, fired, now)
    ending = [each for each in scenarios if each.send != "firing"]
    for part in _parts(sorted(ending, key=lambda each: -each.ends)):
        _wait_until(max(now - each.ends for each in part) + sending.ENDED_SECONDS)
        for each in part:
            site.post("/webhook/alertmanager/prod", sending.webhook(each, fired[each.name], int(now - each.ends)))
        site.settle()
    for part in _parts([each for each in ending if each.send == "reopened"]):
        again = {each.name: [_again(outbreak) for outbreak in fired[each.name]] for each in part}
        _send(site, part, again, now)


def _send(site: Site, part: Sequence[Scenario], fired: dict[str, list[Outbreak]], now: int) -> None:
    for each in part:
        for change in sending.changes(each, now, late=False):
            site.post("/events/change", change)
        site.post("/webhook/alertmanager/prod", sending.webhook(each, fired[each.name]))
        for change in sending.changes(each, now, late=True):
            site.post("/events/change", change)
    site.settle()


def _again(outbreak: Outbreak) -> Outbreak:
    """It fires again, now."""
    return replace(outbreak, fired_at=int(time.time()))


def _parts(scenarios: Sequence[Scenario]) -> Iterator[Sequence[Scenario]]:
    for begin in range(0, len(scenarios), AT_ONCE):
        yield scenarios[begin : begin + AT_ONCE]


def _results(site: Site, services: Sequence[Service], fired: dict[str, list[Outbreak]], now: int) -> Iterator[Result]:
    incidents, state = site.incidents(), site.sandbox.state
    for service in services:
        brief = incidents[sending.group_key(service.scenario)]
        heard = said(json.loads(site.get(f"/api/v1/incidents/{brief['number']}")), state)
        outbreaks = tuple(fired[service.scenario.name])
        pods = timelines(service.scenario, now)
        truth = Known(
            service.failed_of(now - FAILED_SECONDS, now),
            tuple(text for each in outbreaks for text in each.annotations.values()),
            is_silent(pods, now),
            answering(pods, now),
        )
        yield Result(service.scenario, outbreaks, now, heard, judge(service.scenario, heard, truth))
