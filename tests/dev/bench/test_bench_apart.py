"""Webs and workers on PostgreSQL are measured as a whole, and what they wait for is counted."""

from __future__ import annotations

import pytest

from dev.bench.peers.command import left_out, table
from dev.bench.scaling import measured
from dev.bench.waiting import Waits, statement


def test_a_tiny_storm_on_two_webs_and_two_workers_reaches_every_channel_once() -> None:
    figures, waits = measured(2, 2, 20)
    assert (figures["lost"], figures["doubled"], figures["refused"]) == (0, 0, 0)
    assert figures["CPU s of PostgreSQL"] >= 0
    assert figures["commits a notification"] > 0
    assert waits.seen > 0


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT delivery.x FROM delivery WHERE 1 FOR UPDATE SKIP LOCKED", "SELECT delivery FOR UPDATE"),
        ("SELECT 1 FROM channel_state FOR NO KEY UPDATE", "SELECT channel_state FOR UPDATE"),
        ("select 1", "SELECT"),
        ("INSERT INTO event (at) VALUES (1)", "INSERT INTO event"),
        ("UPDATE channel_state SET x = 1", "UPDATE channel_state"),
        ("DELETE FROM timer WHERE 1", "DELETE FROM timer"),
        ("COMMIT", "COMMIT"),
        ("", "?"),
    ],
)
def test_a_statement_is_named_by_what_it_does(query: str, said: str) -> None:
    assert statement(query) == said


def test_waits_are_sessions_at_a_time() -> None:
    waits = Waits(seen=10)
    waits.samples.update({"Lock:tuple in UPDATE channel_state": 5, "CPU in COMMIT": 20})
    assert waits.shares() == {"CPU in COMMIT": 2.0, "Lock:tuple in UPDATE channel_state": 0.5}
    assert Waits().shares() == {}


def test_peers_are_a_table_and_one_that_does_not_run_is_said_with_its_reason() -> None:
    one = {"posts/s": 1234.5, "answer at 50/s p50 ms": 1.0, "answer at 50/s p99 ms": 2.0, "CPU ms a post": 0.5}
    assert table({"bridge": {**one, "refused": 0.0}}).splitlines()[2] == "| bridge | 1,234 | 1.0 | 2.0 | 0.50 | 0 |"
    assert left_out("Keep", "a trace\nno such package\n") == "Keep is left out: no such package"
