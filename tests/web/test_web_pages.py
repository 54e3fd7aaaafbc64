"""Pages and API show incidents as untrusted text, to authorised users."""

from dataclasses import replace
from datetime import timedelta

import pytest
from werkzeug.security import check_password_hash

from bridge.core.charts.chart import Picture
from bridge.core.errors import StoreUnavailable
from bridge.core.facts import Fact, Onset, Unit, Unknown, Verdict
from bridge.core.model import Flap, Status
from bridge.rendering.sample import sample_context
from bridge.store import KeptPicture
from bridge.web import check_listen, logins
from bridge.web.filters import breakable
from bridge.web.pages import safe_link, span
from tests.answers import body_of
from tests.web.web_fakes import ALERT, INCIDENT, NOW, PLAIN, USERS, World

TOKENS = 'sources: [{name: prod, tokens: ["${TOKEN}"]}]\n'
REMOTE = "10.0.0.9"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def locked() -> World:
    return World(PLAIN + USERS, require_login=True)


def test_the_list_shows_open_and_resolved_incidents(world: World) -> None:
    page = world.get("/").text
    assert "1 open incident" in page
    assert "#7" in page
    assert "Old one" in page
    assert "1 h 5 min" in page


def test_the_icon_needs_no_login_at_any_of_its_paths(locked: World) -> None:
    """For an answer that is no page, such as a picture or JSON, a browser requests it from the root."""
    for path in ("/favicon.ico", "/static/icon.svg"):
        with locked.get(path, address=REMOTE) as answer:
            assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
            assert b"<svg" in answer.data


def test_an_incident_shows_timeline_deliveries_and_links(world: World) -> None:
    page = world.get("/incidents/7").text
    for word in ("1 alert fires", "Slack asks to wait", "429 ratelimited", "revision 1 of 2", 'href="https://x.org/r"'):
        assert word in page


def test_flapping_is_shown_with_the_time_of_the_deferred_end(world: World) -> None:
    flap = Flap(since=NOW - timedelta(minutes=21), state_changes=4, state_changed_at=NOW)
    over = {"f1": replace(ALERT, status=Status.RESOLVED, deferred=True)}
    world.reader.all[7] = replace(INCIDENT, flap=flap)
    assert "Its end is deferred" in world.get("/incidents/7").text
    assert '<span class="badge held">flapping</span>' in world.get("/").text
    world.reader.all[7] = replace(INCIDENT, flap=flap, alerts=over)
    page = " ".join(world.get("/incidents/7").text.split())
    assert "it began and ended 4 times in 21 min. It has ended; this is notified at 2026-11-23 12:10:00 UTC" in page
    body = body_of(world.get("/api/v1/incidents/7"))
    assert body["flapping"] == {
        "since": "2026-11-23T11:39:00+00:00", "turns": 4, "told": "4 times in 21 min",
        "held_until": "2026-11-23T12:10:00+00:00",
    }  # fmt: skip
    assert [alert["held"] for alert in body["alerts"]] == [True]
    assert [each["flapping"] for each in body_of(world.get("/api/v1/incidents?resolved=true"))["incidents"]] == [None]


def test_received_text_is_escaped(world: World) -> None:
    for path in ("/", "/incidents/7"):
        page = world.get(path).text
        assert "<script" not in page
        assert "&lt;script&gt;" in page
    assert "<b>p1" not in world.get("/incidents/7").text


def test_only_the_first_alerts_are_shown(world: World) -> None:
    alerts = {str(n): replace(ALERT, fingerprint=str(n)) for n in range(53)}
    world.reader.all[7] = replace(INCIDENT, alerts=alerts)
    assert "And 3 more" in world.get("/incidents/7").text


@pytest.mark.parametrize(
    "value",
    ["javascript:alert(1)", "data:text/html,x", "http://", "//x.org", "http://[", "see http://x.org", "ftp://x"],
)
def test_only_web_addresses_become_links(value: str) -> None:
    assert safe_link(value) == ""
    assert safe_link("HTTPS://x.org/a?b=c") == "HTTPS://x.org/a?b=c"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Known now: 7.3 % of 20,000 at 14:02", "Known now: 7.3 % of 20,000 at 14:02"),
        ("api-0.models.svc", "api-<wbr>0.<wbr>models.<wbr>svc"),
        ("ToxicityApiDown", "Toxicity<wbr>Api<wbr>Down"),
        ("2.0.0-rc1", "2.0.0-<wbr>rc1"),
        ("a_<b>", "a_&lt;b&gt;"),
    ],
)
def test_long_names_may_break_and_numbers_may_not(text: str, shown: str) -> None:
    assert str(breakable(text)) == shown


def test_durations_are_readable() -> None:
    spans = [span(NOW, NOW + timedelta(seconds=s)) for s in (-5, 59, 61, 3600, 90061)]
    assert spans == ["0 s", "59 s", "1 min", "1 h", "1 d 1 h"]


def test_every_answer_has_security_headers(world: World) -> None:
    for path in ("/", "/incidents/99", "/api/v1/incidents", "/static/bridge.css", "/-/healthy"):
        with world.get(path) as answer:
            headers = answer.headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_page_needs_only_the_style_sheet(world: World) -> None:
    with world.get("/static/bridge.css") as answer:
        assert answer.status_code == 200
    assert "http://" not in world.get("/").text


@pytest.mark.parametrize("number", ["99", str(2**70), "seven"])
def test_an_unknown_incident_is_not_found_as_page_and_as_json(world: World, number: str) -> None:
    page, data = world.get(f"/incidents/{number}"), world.get(f"/api/v1/incidents/{number}")
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert (data.status_code, data.mimetype) == (404, "application/json")


def test_the_api_lists_and_shows_incidents(world: World) -> None:
    listed = body_of(world.get("/api/v1/incidents?resolved=false&limit=5"))
    assert [each["number"] for each in listed["incidents"]] == [7]
    assert (listed["next"], listed["total"]) == (None, 1)
    assert world.reader.queries == [(False, 5, None)]
    shown = body_of(world.get("/api/v1/incidents/7"))
    assert shown["alerts"][0]["labels"]["pod"] == "<b>p1</b>"
    assert shown["deliveries"][0]["due_at"] == NOW.isoformat()
    assert shown["timeline"][0]["text"] == "1 alert fires"


@pytest.mark.parametrize("query", ["resolved=maybe", "limit=0", "limit=1001", "limit=x", "limit=%C2%B2"])
def test_an_invalid_query_is_explained(world: World, query: str) -> None:
    answer = world.get(f"/api/v1/incidents?{query}")
    assert answer.status_code == 400
    assert "must be" in body_of(answer)["error"]


def test_without_a_store_the_pages_say_so(world: World) -> None:
    world.reader.error = StoreUnavailable("down")
    assert world.get("/").status_code == 503
    assert body_of(world.get("/api/v1/incidents"))["error"]


def test_pages_and_api_need_a_login_if_others_can_reach_them(locked: World) -> None:
    for path in ("/", "/incidents/7", "/api/v1/incidents"):
        assert locked.get(path, REMOTE).status_code == 401
        assert locked.get(path, REMOTE, auth=("ann", "wrong")).status_code == 401
        assert locked.get(path, REMOTE, auth=("bob", "right")).status_code == 401
        assert locked.get(path, "10.0.0.8", auth=("ann", "right")).status_code == 200
        locked.now += timedelta(minutes=2)


def test_a_valid_password_is_verified_once_in_ten_minutes(locked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []

    def check(kept: str, password: str) -> bool:
        verified.append(password)
        return check_password_hash(kept, password)

    monkeypatch.setattr(logins, "check_password_hash", check)
    for _ in range(3):
        assert locked.get("/", auth=("ann", "right")).status_code == 200
    locked.now += timedelta(minutes=11)
    assert locked.get("/", auth=("ann", "right")).status_code == 200
    assert len(verified) == 2


def test_a_removed_user_is_refused_at_once(locked: World, world: World) -> None:
    assert locked.get("/", auth=("ann", "right")).status_code == 200
    locked.settings = world.settings
    assert locked.get("/", auth=("ann", "right")).status_code == 401


def test_many_wrong_passwords_from_one_address_are_limited(locked: World) -> None:
    for _ in range(5):
        assert locked.get("/", REMOTE, auth=("ann", "wrong")).status_code == 401
    assert locked.get("/", REMOTE, auth=("ann", "right")).status_code == 429
    assert locked.get("/", "10.0.0.8", auth=("ann", "right")).status_code == 200
    locked.now += timedelta(minutes=2)
    assert locked.get("/", REMOTE, auth=("ann", "right")).status_code == 200


def test_probes_and_metrics_need_no_login(locked: World) -> None:
    for path in ("/-/healthy", "/-/ready", "/metrics"):
        assert locked.get(path, REMOTE).status_code == 200


@pytest.mark.parametrize(("yaml", "word"), [("", "token"), (USERS, "token"), (TOKENS, "login")])
def test_listening_on_any_address_needs_tokens_and_logins(yaml: str, word: str) -> None:
    settings = World(PLAIN + yaml).settings
    with pytest.raises(ValueError, match=word):
        check_listen("0.0.0.0", settings)
    check_listen("127.0.0.1", settings)
    check_listen("0.0.0.0", World(PLAIN + USERS + TOKENS).settings)


def test_a_muted_alert_shows_the_reason(world: World) -> None:
    silenced = replace(ALERT, muted="silenced by <b>alice</b> until 2026-11-23 14:00 UTC")
    world.reader.all[7] = replace(INCIDENT, alerts={"f1": silenced})
    assert "silenced by &lt;b&gt;alice&lt;/b&gt; until 2026-11-23 14:00 UTC</span>" in world.get("/incidents/7").text
    (alert,) = body_of(world.get("/api/v1/incidents/7"))["alerts"]
    assert alert["muted"] == silenced.muted


def test_an_incident_shows_its_context(world: World) -> None:
    hostile = Fact("x", "<b>Toxic</b> share", Unit.RATIO, 0.43, NOW, verdict=Verdict.BAD, why="above 30 %")
    unknown = (Unknown("PSI", "Prometheus does not answer"),)
    world.reader.contexts[7] = replace(sample_context(), at=NOW, facts=(hostile,), unknown=unknown)
    text = world.get("/incidents/7").text
    assert "<h2>Context</h2>" in text
    assert "&lt;b&gt;Toxic&lt;/b&gt; share" in text
    assert "43 %" in text and "bad, above 30 %" in text
    assert "PSI: Prometheus does not answer" in text


def test_an_incident_shows_onset_place_and_cause(world: World) -> None:
    onset = Onset(NOW - timedelta(days=1), "the failed predictions")
    up = Fact("up", "Pods with a model", Unit.COUNT, 2.0, NOW, role="pods_up", of=3.0)
    context = replace(sample_context(), at=NOW, facts=(up,), onset=onset)
    world.reader.contexts[7] = context
    text = world.get("/incidents/7").text
    for word in (
        "<strong>Probably:</strong>",
        "<li>v2 was deployed",
        "min before it fired",
        "2 of 3 pods with a model",
    ):
        assert word in text
    world.reader.contexts[7] = replace(context, hypothesis=None, looked_at=("deploys", "<b>pods</b>"))
    text = world.get("/incidents/7").text
    assert "No cause found; looked at: deploys, &lt;b&gt;pods&lt;/b&gt;." in text
    assert "Probably" not in text


def test_an_incident_without_context_has_no_such_section(world: World) -> None:
    assert "<h2>Context</h2>" not in world.get("/incidents/7").text


def test_after_the_end_a_context_of_an_older_version_says_what_is_missing(world: World) -> None:
    """It has only its newest context, from before or after the end."""
    world.reader.contexts[6] = replace(sample_context(), at=NOW + timedelta(seconds=5))
    text = " ".join(world.get("/incidents/6").text.split())
    assert "<h3>After the end</h3>" in text and "What was measured while it fired was not stored." in text
    assert "While it fired" not in text and "Peak while it fired" not in text
    assert body_of(world.get("/api/v1/incidents/6"))["measured"]["during"] is None
    world.reader.contexts[6] = replace(sample_context(), at=NOW - timedelta(minutes=2))
    text = " ".join(world.get("/incidents/6").text.split())
    assert "<h3>While it fired</h3>" in text and "was not stored" not in text and "After the end" not in text


def test_only_the_newest_of_repeated_pictures_is_shown(world: World) -> None:
    again = Picture("expression", "Errors", "Errors fall", b"png", NOW)
    first, other = replace(again, alt="Errors rise"), replace(again, title="Latency", alt="Latency rises")
    world.pictures.kept = [
        KeptPicture(name, 7, drawn, f"/pictures/{name}.png")
        for name, drawn in zip("abc", (again, other, first), strict=True)
    ]
    page = world.get("/incidents/7").text
    assert "Errors fall" in page and "Latency rises" in page and "Errors rise" not in page


def test_an_incident_shows_its_pictures_with_alternative_text(world: World) -> None:
    drawn = Picture("expression", "Errors", 'Errors rise to 7 % <"now">', b"png", NOW)
    world.pictures.kept = [KeptPicture("n", 7, drawn, "/pictures/n.png?expires=1&signature=s")]
    answer = world.get("/incidents/7")
    assert 'src="/pictures/n.png?expires=1&amp;signature=s"' in answer.text
    assert 'alt="Errors rise to 7 % &lt;&#34;now&#34;&gt;"' in answer.text
    assert "img-src 'self'" in answer.headers["Content-Security-Policy"]
