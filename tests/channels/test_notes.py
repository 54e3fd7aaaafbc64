"""Users' notes as each channel shows them: whole, with author and time, and as text."""

from __future__ import annotations

from datetime import timedelta

from bridge.channels.pagerduty.events import events_of
from bridge.channels.slack.message import MAX_TEXT, message_of
from bridge.core.incidents.actions import LONGEST_NOTE
from bridge.core.model import State
from bridge.core.timeline import Entry, EntryKind
from bridge.rendering.renderer import Renderer
from bridge.rendering.sample import sample_claim, sample_incident
from bridge.rendering.text import utf16_units
from tests.channels.channel_builders import AT, a_claim, a_message, an_entry

TEXT = "Rolled back to *v1*.\n<b>Watching</b> it."


def a_note(revision: int, text: str = TEXT) -> Entry:
    return Entry(AT + timedelta(seconds=revision), EntryKind.NOTED, "Ana", text, revision)


def test_slack_has_a_note_once_in_the_thread() -> None:
    claim = a_claim(revision=3, sent=1, news=(an_entry(1), a_note(2), an_entry(3, "quiet", loud=False)))
    text = message_of(a_message(revision=3), claim, None)["thread"]["text"]
    assert text.startswith("• Ana, <!date^")
    assert text.replace("\u2060", "").endswith(": Rolled back to *v1*.\n&lt;b&gt;Watching&lt;/b&gt; it.")
    assert "*v1*" not in text  # Slack shows the stars, and no bold
    assert message_of(a_message(revision=3), a_claim(sent=2, news=claim.news), None)["thread"] is None


def test_many_long_notes_fit_into_one_reply_that_says_how_many_are_left_out() -> None:
    news = tuple(a_note(revision, "&" * LONGEST_NOTE) for revision in range(2, 30))
    text = message_of(a_message(revision=30), a_claim(sent=1, news=news), "<!here>")["thread"]["text"]
    assert utf16_units(text) <= MAX_TEXT
    assert text.endswith("• and 27 more")


def test_pagerduty_has_the_latest_notes_in_its_details() -> None:
    message = a_message(notes=tuple(a_note(revision, f"note {revision}") for revision in range(9)))
    (event,) = events_of(message, a_claim())
    assert event["payload"]["custom_details"]["notes"] == [f"Ana: note {revision}" for revision in range(4, 9)]


def test_the_message_of_the_end_has_the_notes_as_text() -> None:
    incident, claim = sample_incident(resolved=True), sample_claim(firing=False)
    message = Renderer(None, None).message(incident, claim, (a_note(2), an_entry(2)), html=True)
    assert message.state is State.RESOLVED
    assert f"NOTES\n* {AT + timedelta(seconds=2):%Y-%m-%d %H:%M:%S} Ana: Rolled back to *v1*.\n" in message.text
    assert "  <b>Watching</b> it." in message.text
    assert "&lt;b&gt;Watching&lt;/b&gt; it." in message.html and "<b>Watching" not in message.html
