"""Probes on both databases: answers to golden texts, their rate, and the open incidents that they concern."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.core.changes import summary_of
from bridge.core.context.probe import Answered, Baseline, Unanswered, judged
from bridge.core.facts import ChangeEvent
from bridge.store import StoreActions, StoreChanges, StoreIntake, StoreProbes
from bridge.store.probes import MOST_BASELINES, incident_probe, probe_lease
from tests.builders import a_group, an_alert, at
from tests.store.small_store import POLICY, Clock

MINUTE = timedelta(minutes=1)
URL = "http://user:s3cret@api-0:8100/predict"


@pytest.fixture
def probes(engine: sa.Engine) -> StoreProbes:
    return StoreProbes(engine)


def opened(intake: StoreIntake, cause: str = "toxicity") -> None:
    intake.accept(a_group(an_alert(cause=cause)))


def test_an_incident_is_probed_once_by_all_workers(intake: StoreIntake, engine: sa.Engine) -> None:
    opened(intake)
    begun: list[bool] = []
    together = threading.Barrier(6)

    def begin() -> None:
        together.wait()
        begun.append(StoreProbes(engine).begin_probe(1, at(1)))

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun) == [False] * 5 + [True]


def test_a_deleted_incident_is_not_probed(probes: StoreProbes) -> None:
    assert not probes.begin_probe(1, at(1))


def test_the_evidence_is_read_as_it_was_stored(intake: StoreIntake, probes: StoreProbes) -> None:
    opened(intake)
    assert probes.begin_probe(1, at(1))
    assert probes.probed(1, at(2)) is None
    found = judged([Answered("a", "2.0.0", 9, 50, 0.5), Unanswered("b", "HTTP 503")], [], at(3))
    probes.save_probe(1, found, at(3))
    kept = probes.probed(1, at(4))
    assert kept is not None
    assert (kept.at, kept.facts, kept.unknown) == (at(3), found.facts, (found.unknown,))


def test_unreadable_evidence_of_another_version_is_none(
    intake: StoreIntake, probes: StoreProbes, engine: sa.Engine
) -> None:
    opened(intake)
    probes.begin_probe(1, at(1))
    with engine.begin() as connection:
        connection.execute(sa.update(incident_probe).values(data='{"of": "the future"}'))
    assert probes.probed(1, at(2)) is None


def test_the_first_answer_of_a_version_stays(probes: StoreProbes) -> None:
    first, later = Baseline("1.1.0", 1, 50, at(1), 0.97), Baseline("1.1.0", 9, 50, at(2))
    other = Baseline("2.0.0", 0, 50, at(3))
    for each in (first, later, other):
        probes.keep_baseline("toxicity-api", "digest", each)
    assert probes.baselines("toxicity-api", "digest") == [first, other]
    assert probes.baselines("toxicity-api", "another set") == []
    assert probes.baselines("another", "digest") == []


def test_the_newest_baselines_of_a_service_stay(probes: StoreProbes) -> None:
    probes.keep_baseline("other", "digest", Baseline("1.0.0", 0, 50, at(0)))
    for number in range(MOST_BASELINES + 3):
        probes.keep_baseline("toxicity-api", "digest", Baseline(f"1.{number}.0", 0, 50, at(number)))
    kept = probes.baselines("toxicity-api", "digest")
    assert [kept[0].version, kept[-1].version] == ["1.3.0", f"1.{MOST_BASELINES + 2}.0"]
    assert len(probes.baselines("other", "digest")) == 1


def test_an_address_is_probed_once_a_minute(probes: StoreProbes, engine: sa.Engine) -> None:
    another = "http://api-1:8100/predict"
    assert probes.lease_addresses([URL], MINUTE, at(0)) == {}
    assert probes.lease_addresses([URL, another], MINUTE, at(30)) == {URL: at(60)}
    assert probes.lease_addresses([URL, another], MINUTE, at(60)) == {another: at(90)}
    with engine.connect() as connection:
        kept = connection.execute(sa.select(probe_lease.c.target)).scalars().all()
    assert not [each for each in kept if "s3cret" in each or "api" in each]


def test_leases_of_old_addresses_are_deleted(probes: StoreProbes, engine: sa.Engine) -> None:
    probes.lease_addresses([URL], MINUTE, at(0))
    probes.lease_addresses(["http://another"], MINUTE, at(2 * 86_400))
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(probe_lease)) == 1


def test_the_labels_of_open_incidents(intake: StoreIntake, probes: StoreProbes, engine: sa.Engine) -> None:
    def labels() -> list[Mapping[str, Any]]:
        return [dict(each) for each in probes.open_labels() or ()]

    assert labels() == []
    opened(intake, "toxicity")
    assert [each["cause"] for each in labels()] == ["toxicity"]
    StoreActions(engine, lambda: POLICY).resolve(1, "ana", at(5))
    assert labels() == []


def test_the_time_of_the_last_change_of_a_service(probes: StoreProbes, engine: sa.Engine) -> None:
    assert probes.changed_at("toxicity-api") is None
    clock = Clock()
    change = ChangeEvent("deploy", "toxicity-api", at(-60), summary_of("deploy", "toxicity-api"), id="1")
    StoreChanges(engine, clock).record(change)
    assert probes.changed_at("toxicity-api") == clock.now
    assert probes.changed_at("another") is None
