"""What the soak calls lost and doubled, and that its plan is the same from the same seed."""

from __future__ import annotations

from typing import Any

from dev.soak.counting import verdict
from dev.soak.plan import plan_of


def a_page(number: int, status: str = "triggered", pages: int = 1) -> dict[str, Any]:
    return {"summary": f"Firing: Soak{number:07d} is wrong", "status": status, "pages": pages}


def a_post(text: str, title: str = "", *, edits: int = 0, replies: Any = ()) -> dict[str, Any]:
    attached = [{"title": title}] if title else []
    return {"text": text, "attachments": attached, "edits": edits, "thread": [{"text": reply} for reply in replies]}


def a_mail(number: int, status: str, altered: int = 0) -> dict[str, Any]:
    headers = [["X-Alert-Status", status]]
    return {"subject": f"[alert] Soak{number:07d}", "text": "", "headers": headers, "altered_copies": altered}


def a_state(pages: Any = (), posts: Any = (), mails: Any = ()) -> dict[str, Any]:
    slack = {"channels": {"soak": {"messages": list(posts)}}}
    return {"pagerduty": {"incidents": list(pages)}, "slack": slack, "mail": list(mails)}


EVERYWHERE = a_state([a_page(1)], [a_post("Firing: Soak0000001 is wrong")], [a_mail(1, "firing")])


def test_what_every_channel_shows_is_delivered() -> None:
    found = verdict(EVERYWHERE, {1: True})
    assert (found.sound, found.delivered) == (True, 3)


def test_what_was_accepted_and_is_shown_nowhere_is_lost_everywhere() -> None:
    found = verdict(EVERYWHERE, {1: True, 2: True})
    assert (found.lost, found.delivered) == ({"pagerduty": 1, "slack": 1, "email": 1}, 3)


def test_an_end_that_no_channel_shows_is_lost() -> None:
    assert verdict(EVERYWHERE, {1: False}).lost == {"pagerduty": 1, "slack": 1, "email": 1}


def test_what_ended_before_it_was_notified_needs_no_message_but_is_counted() -> None:
    found = verdict(a_state(), {1: False})
    assert (found.unnotified, found.delivered, found.sound) == ({"pagerduty": 1, "slack": 1, "email": 1}, 0, True)


def test_what_is_notified_twice_is_doubled_and_an_end_is_no_double() -> None:
    posts = [
        a_post("", "[FIRING:1] Soak0000001"),
        a_post("", "[FIRING:1] Soak0000001"),
        a_post("", "[RESOLVED] Soak0000001"),
    ]
    mails = [a_mail(1, "firing"), a_mail(1, "resolved")]
    found = verdict(a_state([a_page(1, "resolved", pages=2)], posts, mails), {1: False})
    assert found.doubled == {"pagerduty": 1, "slack": 1, "email": 0}
    assert found.delivered == 3
    assert not found.sound


def test_two_mails_of_one_message_id_with_different_words_are_wrong() -> None:
    found = verdict(a_state(mails=[a_mail(1, "firing", altered=1)]), {})
    assert (found.wrong, found.sound) == ({"pagerduty": 0, "slack": 0, "email": 1}, False)


def test_a_thread_without_the_end_is_wrong() -> None:
    resolved = "Resolved: Soak0000001 is wrong"
    silent = a_post(resolved, edits=1, replies=["severity raised from warning to critical"])
    spoken = a_post(resolved, edits=1, replies=["every alert has ended"])
    first_posted_at_its_end = a_post(resolved)
    for post, wrong in ((silent, 1), (spoken, 0), (first_posted_at_its_end, 0)):
        assert verdict(a_state(posts=[post]), {1: False}).wrong["slack"] == wrong


def test_a_seed_decides_everything() -> None:
    assert plan_of(7, 60, 5) == plan_of(7, 60, 5)
    assert plan_of(7, 60, 5) != plan_of(8, 60, 5)
    assert len(plan_of(7, 60, 5).alerts) == 300
