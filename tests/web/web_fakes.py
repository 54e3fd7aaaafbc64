"""A store that records what it is given, and can be made to fail."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from bridge.app.settings import load_text
from bridge.core.changes import concerning
from bridge.core.context.measurements import Measured
from bridge.core.cursors import Page
from bridge.core.delivery.dead_letters import DeadLetter, DeadLetterFilter
from bridge.core.facts import ChangeEvent, Context
from bridge.core.incidents.actions import Action, ActionResult, RequestKey
from bridge.core.model import Alert, Group, Incident, Severity, State, Status
from bridge.core.ports import Accepted, WebhookOutcome
from bridge.core.recurrence import Recurrence
from bridge.core.timeline import Entry, EntryKind
from bridge.core.views import EVERY, DeliveryView, Health, IncidentFilter
from bridge.observability.metrics import Metrics
from bridge.web import create_app
from bridge.web.charts import Shown

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ENVIRON = {"SLACK": "xoxb-secret", "TOKEN": "am-token", "OTHER": "other-token", "BASIC": "pässword"}
PLAIN = """
channels: {slack-ml: {type: slack, token: "${SLACK}", channel: "#ml"}}
route: {notify: [slack-ml]}
"""
SOURCES = """
sources:
  - {name: prod, tokens: ["${TOKEN}"]}
  - {name: other, tokens: ["${OTHER}"], basic_auth: {username: am, password: "${BASIC}"}, dedup_key: source_and_group}
"""
HASH = generate_password_hash("right", method="scrypt")
USERS = f'web: {{users: {{ann: "{HASH}"}}}}\n'
ALERT = Alert(
    "f1",
    Status.FIRING,
    {"alertname": "A", "pod": "<b>p1</b>"},
    {"runbook": "https://x.org/r"},
    NOW - timedelta(minutes=65),
)
INCIDENT = Incident(
    number=7,
    uid="uid7",
    key="key",
    dedup_key="dedup",
    source="prod",
    receiver="bridge",
    group_key="{}:{}",
    group_labels={"alertname": "A"},
    title="Toxic <script>alert(1)</script>",
    state=State.OPEN,
    severity=Severity.CRITICAL,
    revision=2,
    opened_at=NOW - timedelta(minutes=65),
    updated_at=NOW,
    seen_at=NOW,
    alerts={"f1": ALERT},
)
RESOLVED = replace(INCIDENT, number=6, title="Old one", state=State.RESOLVED, resolved_at=NOW, resolved_by="source")
HEALTHY = Health({}, {}, {}, {}, {}, 1.0)


class FakeIntake:
    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.error: Exception | None = None
        self.refusal = ""

    def fault(self, seconds: float) -> str:
        return self.refusal

    def hand_in(self, group: Group) -> Future[Accepted]:
        stored: Future[Accepted] = Future()
        try:
            stored.set_result(self.accept(group))
        except Exception as fault:
            stored.set_exception(fault)
        return stored

    def accept(self, group: Group) -> Accepted:
        if self.error:
            raise self.error
        self.groups.append(group)
        return Accepted(7, WebhookOutcome.OPENED)


class FakeReader:
    def __init__(self) -> None:
        self.all = {7: INCIDENT, 6: RESOLVED}
        self.health_now = HEALTHY
        self.error: Exception | None = None
        self.queries: list[tuple[bool | None, int, str | None]] = []
        self.contexts: dict[int, Context] = {}
        self.recurrences: dict[int, Recurrence] = {}
        self.letters: list[DeadLetter] = []
        self.wanted: DeadLetterFilter | None = None
        self.wanted_incidents = EVERY
        self.delivery = DeliveryView("slack-ml", "", "held", 2, 1, 3, NOW, "Slack asks to wait", "429 ratelimited", NOW)

    def page_of_incidents(
        self,
        *,
        resolved: bool | None = None,
        limit: int = 100,
        after: str | None = None,
        wanted: IncidentFilter = EVERY,
    ) -> Page[Incident]:
        self.wanted_incidents = wanted
        if self.error:
            raise self.error
        self.queries.append((resolved, limit, after))
        found = [each for each in self.all.values() if resolved in (None, each.resolved)]
        return Page(tuple(found[:limit]), len(found))

    def recently_resolved(self, limit: int) -> Sequence[Incident]:
        return self.page_of_incidents(resolved=True, limit=limit).items

    def open_counts(self) -> dict[Severity, tuple[int, int]]:
        return {Severity.CRITICAL: (1, 0)}

    def page_of_held(self, channel: str, now: datetime, limit: int = 1000, after: str | None = None) -> Page[Incident]:
        return Page((INCIDENT,), 1) if channel == "slack-ml" else Page((), 0)

    def incident(self, number: int) -> Incident | None:
        return self.all.get(number)

    def alert_counts(self, numbers: Sequence[int]) -> dict[int, tuple[int, int]]:
        return dict.fromkeys(numbers, (1, 2))

    def timeline(self, number: int) -> list[Entry]:
        return [Entry(NOW, EntryKind.OPENED, "prod", "1 alert fires", 1, loud=True)]

    def deliveries(self, number: int) -> list[DeliveryView]:
        return [self.delivery]

    def measured(self, number: int, now: datetime) -> Measured:
        return Measured(self.context(number, now))

    def context(self, number: int, now: datetime) -> Context | None:
        return self.contexts.get(number)

    def recurrence(self, incident: Incident, window: timedelta) -> Recurrence | None:
        return self.recurrences.get(incident.number)

    def page_of_dead_letters(
        self, wanted: DeadLetterFilter, limit: int = 1000, after: str | None = None
    ) -> Page[DeadLetter]:
        self.wanted = wanted
        return Page(tuple(self.letters[:limit]), len(self.letters))

    def health(self, now: datetime) -> Health:
        if self.error:
            raise self.error
        return self.health_now


class FakeChanges:
    def __init__(self) -> None:
        self.kept: dict[str, ChangeEvent] = {}
        self.error: Exception | None = None

    def record(self, change: ChangeEvent) -> bool:
        if self.error:
            raise self.error
        new = change.id not in self.kept
        self.kept.setdefault(change.id, change)
        return new

    def page_of_changes(self, limit: int = 100, after: str | None = None) -> Page[ChangeEvent]:
        newest = sorted(self.kept.values(), key=lambda change: change.at, reverse=True)
        return Page(tuple(newest[:limit]), len(newest))

    def changes_for(self, alerts: Iterable[Mapping[str, str]], since: datetime, until: datetime) -> list[ChangeEvent]:
        return concerning((each for each in self.page_of_changes().items if since <= each.at <= until), alerts)


class FakePictures:
    def __init__(self) -> None:
        self.kept: list[Shown] = []

    def png(self, name: str) -> bytes | None:
        return None

    def key(self) -> bytes:
        return b"k" * 32

    def of_incident(self, incident_number: int) -> list[Shown]:
        return self.kept


class FakeActions:
    """Knows incident 7 alone, and lets everything through."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, Action, RequestKey | None]] = []

    def take(self, number: int, action: Action, now: datetime, key: RequestKey | None = None) -> ActionResult | None:
        self.taken.append((number, action, key))
        return ActionResult(number, State.ACKNOWLEDGED, 3, "done") if number == INCIDENT.number else None


class World:
    """The app with its fakes; `now` and `settings` may be changed."""

    def __init__(
        self, yaml: str = PLAIN, require_login: bool = False, reload: Callable[[], list[str]] | None = None
    ) -> None:
        self.intake, self.reader, self.metrics, self.now = FakeIntake(), FakeReader(), Metrics(), NOW
        self.changes, self.pictures = FakeChanges(), FakePictures()
        self.actions = FakeActions()
        self.settings = load_text(yaml, ENVIRON)
        self.app = create_app(
            lambda: self.settings,
            self.intake,
            self.reader,
            self.changes,
            self.pictures,
            actions=self.actions,
            metrics=self.metrics,
            reload=reload,
            clock=lambda: self.now,
            require_login=require_login,
        )
        self.client = self.app.test_client()

    def post(
        self,
        path: str = "/webhook/alertmanager",
        data: bytes | str | Iterable[bytes] | None = None,
        address: str = "127.0.0.1",
        **headers: str,
    ) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = BODY if data is None else data
        return self.client.post(path, data=data, headers=named, environ_base={"REMOTE_ADDR": address})

    def get(self, path: str, address: str = "127.0.0.1", **more: Any) -> TestResponse:
        """more: further arguments of Flask's test client."""
        return self.client.get(path, environ_base={"REMOTE_ADDR": address}, **more)


BODY = (
    b'{"version":"4","groupKey":"k","receiver":"r","alerts":[{"status":"firing","labels":{"alertname":"A"},'
    b'"startsAt":"2026-11-23T08:34:20Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"f"}]}'
)
