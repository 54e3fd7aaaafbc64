"""Alerts, people, crashes, outages and reloads in any order: in the end every vendor shows the truth of the alerts.

Hypothesis chooses the order, always the same ones; `MODEL_EXAMPLES=2000 python -m pytest tests/model` chooses that
many at random.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from bridge.core.model import Incident, State
from bridge.core.ports import Channel
from bridge.store import open_database
from tests.builders import at
from tests.model.alertmanager import SEVERITIES, Alertmanager
from tests.model.small_bridge import ROUTES, Death, SmallBridge
from tests.model.small_vendors import (
    EmailInMemory,
    Mail,
    PagerDuty,
    PagerDutyInMemory,
    Slack,
    Trouble,
    slack_channel,
)

GROUPS = st.sampled_from(["one", "two"])
CHANNELS = ("pager", "slack", "mail")
OVER = ("Resolved", "Notice")  #: how the text of what has ended begins
MANY = int(os.environ.get("MODEL_EXAMPLES", "0"))


@dataclass
class Shown:
    """What one group should look like to people since its incident changed last, by the routes in force then."""

    incident: Incident
    routes: str
    channels: dict[str, bool] = field(default_factory=dict)  #: whether it fires there

    @property
    def paging(self) -> bool:
        return self.channels.get("pager", False)


class Bridge(RuleBasedStateMachine):
    def __init__(self, empty: Path) -> None:
        super().__init__()
        self.now = at(0)
        self.folder = Path(tempfile.mkdtemp(dir=empty.parent))
        shutil.copy(empty, self.folder / "bridge.db")
        self.engine = open_database(f"sqlite:///{self.folder}/bridge.db")
        self.engine.dispose()  # what is connected from now on waits for no disk
        sa.event.listen(self.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
        self.pagerduty, self.slack, self.mail = PagerDuty(), Slack(clock=self.clock), Mail()
        self.vendors = {"pager": self.pagerduty, "slack": self.slack, "mail": self.mail}
        channels: dict[str, Channel] = {
            "pager": PagerDutyInMemory(self.pagerduty),
            "slack": slack_channel(self.slack),
            "mail": EmailInMemory(self.mail),
        }
        self.bridge = SmallBridge(self.engine, channels, self.clock)
        self.alertmanager = Alertmanager(self.clock)
        self.shown: dict[str, Shown] = {}
        self.may_page: Counter[str] = Counter()

    def clock(self) -> datetime:
        return self.now

    def look(self, group: str) -> None:
        """After each thing that may have changed a group's incident: what people should see from now on."""
        incident = self.bridge.newest(group)
        before = self.shown.get(group)
        if incident is None or (before is not None and _same(before.incident, incident)):
            return
        noted = before is not None and _revision(before.incident) == _revision(incident)
        after = Shown(incident, before.routes if before is not None and noted else self.bridge.loaded)
        for alert in incident.alerts.values():
            for channel in ROUTES[after.routes][alert.labels["severity"]]:
                fires = alert.shown and not incident.resolved
                after.channels[channel] = after.channels.get(channel, False) or fires
        for each in self.bridge.reader.deliveries(incident.number):
            if "notified because" in each.why:  # what it was told for is not a matter of its route
                after.channels.pop(each.channel, None)
        self.shown[group] = after
        if after.paging and (before is None or _pages_anew(before, after)):
            self.may_page[group] += 1

    @rule(group=GROUPS, severity=st.sampled_from(SEVERITIES))
    def fire(self, group: str, severity: str) -> None:
        self.now += timedelta(seconds=1)
        self.alertmanager.fire(group, severity)

    @rule(group=GROUPS, severity=st.sampled_from(SEVERITIES))
    def end(self, group: str, severity: str) -> None:
        self.now += timedelta(seconds=1)
        self.alertmanager.end(group, severity)

    @rule(group=GROUPS, severity=st.sampled_from(SEVERITIES), silenced=st.booleans())
    def silence(self, group: str, severity: str, silenced: bool) -> None:
        self.alertmanager.groups[group][severity].silenced = silenced

    @rule(group=GROUPS, dies=st.sampled_from(["", "", "before commit", "after commit"]))
    def notify(self, group: str, dies: str = "") -> None:
        self.now += timedelta(seconds=1)
        notification = self.alertmanager.notification(group)
        if notification is not None and self.bridge.accept(notification, dies=dies):
            self.alertmanager.told(group)
        self.look(group)

    @rule(death=st.sampled_from(Death), freed=st.booleans())
    def work(self, death: Death, freed: bool) -> None:
        self.bridge.work(death, freed=freed)

    @rule(group=GROUPS)
    def work_while_notified(self, group: str) -> None:
        self.bridge.work(meanwhile=lambda: self.notify(group))

    @rule(group=GROUPS)
    def acknowledge(self, group: str) -> None:
        if group in self.shown:
            self.bridge.acknowledge(self.shown[group].incident.number)
            self.look(group)

    @rule(group=GROUPS)
    def resolve(self, group: str) -> None:
        if group in self.shown:
            self.bridge.resolve(self.shown[group].incident.number)
            self.look(group)

    @rule(channel=st.sampled_from(CHANNELS), trouble=st.sampled_from(Trouble))
    def trouble(self, channel: str, trouble: Trouble) -> None:
        self.vendors[channel].trouble = trouble

    @rule(name=st.sampled_from(sorted(ROUTES)))
    def reload(self, name: str) -> None:
        self.bridge.reload(name)

    @rule()
    def reconcile(self) -> None:
        self.bridge.reconcile(self.alertmanager.state())
        self._look_at_all()

    @precondition(lambda self: self.shown)
    @rule(seconds=st.sampled_from([1, 5, 61, 130, 301, 901, 7201]))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self._watch()

    def _watch(self) -> None:
        self.bridge.watch()
        self._look_at_all()

    def _look_at_all(self) -> None:
        for group in self.alertmanager.groups:
            self.look(group)

    def teardown(self) -> None:
        try:
            self._recover()
            self._check()
            for group in self.alertmanager.groups:
                for severity in SEVERITIES:
                    self.alertmanager.groups[group][severity].silenced = False
                    self.alertmanager.end(group, severity)
            self._recover()
            self._check()
            assert {False} >= {each for shown in self.shown.values() for each in shown.channels.values()}
            self._nobody_shows_what_is_over()
        finally:
            self.bridge.close()
            self.engine.dispose()
            shutil.rmtree(self.folder)

    def _recover(self) -> None:
        """Vendors answer again, Alertmanager repeats what fires and is asked; then nothing is left to do."""
        for vendor in self.vendors.values():
            vendor.trouble = Trouble.NONE
        for number in self.bridge.numbers():
            self.bridge.replay(number)
        for _ in range(3):
            self.now += timedelta(minutes=6)
            for group in self.alertmanager.groups:
                self.notify(group)
            self.now += timedelta(seconds=1)
            self.reconcile()
            self._watch()
            self._deliver_everything()

    def _deliver_everything(self) -> None:
        for _ in range(500):
            due = self.bridge.pending()
            if due is None:
                return
            self.now = max(self.now + timedelta(milliseconds=500), due)
            self.bridge.work()
        raise AssertionError("there is always something left to deliver")

    def _check(self) -> None:
        for group, shown in self.shown.items():
            self._bridge_knows_the_truth(group, shown.incident)
            self._pagerduty_shows_it(group, shown)
            self._slack_shows_it(shown)
            self._mail_shows_it(shown)

    def _bridge_knows_the_truth(self, group: str, incident: Incident) -> None:
        fires = {alert.labels["severity"] for alert in incident.firing}
        if not incident.resolved:
            assert set() < fires <= self.alertmanager.firing(group)
        if self.alertmanager.heard(group):
            assert not incident.resolved
            assert self.alertmanager.heard(group) <= fires

    def _pagerduty_shows_it(self, group: str, shown: Shown) -> None:
        key = shown.incident.dedup_key
        status = self.pagerduty.status(key)
        if shown.paging:
            acknowledged = shown.incident.state is State.ACKNOWLEDGED
            assert status == ("acknowledged" if acknowledged else "triggered")
        elif "pager" in shown.channels:
            assert status in ("", "resolved")
        assert self.pagerduty.pages(key) <= self.may_page[group]

    def _slack_shows_it(self, shown: Shown) -> None:
        posts = self.slack.about(shown.incident.uid)
        if shown.channels.get("slack"):
            assert len(posts) == 1
        for post in posts:
            revisions = [each["metadata"]["event_payload"]["revision"] for each in self.slack.replies(post["ts"])]
            assert sorted(set(revisions)) == sorted(revisions)
            if "slack" in shown.channels:
                assert post["text"].startswith(OVER) is not shown.channels["slack"]

    def _mail_shows_it(self, shown: Shown) -> None:
        mails = self.mail.about(shown.incident.number)
        assert sum(each.altered_copies for each in mails) == 0
        if "mail" in shown.channels and (mails or shown.channels["mail"]):
            assert mails[-1].header("X-Alert-Status") == ("firing" if shown.channels["mail"] else "resolved")

    def _nobody_shows_what_is_over(self) -> None:
        assert [each.dedup_key for each in self.pagerduty.account.incidents.values() if each.status != "resolved"] == []
        assert [each["text"] for each in self.slack.top() if not each["text"].startswith(OVER)] == []
        for number in self.bridge.numbers():
            assert [each.header("X-Alert-Status") for each in self.mail.about(number)[-1:]] == ["resolved"] or (
                not self.mail.about(number)
            )


def _revision(incident: Incident) -> tuple[int, int]:
    return incident.number, incident.revision


def _same(before: Incident, after: Incident) -> bool:
    firing = [{alert.fingerprint for alert in each.firing} for each in (before, after)]
    return _revision(before) == _revision(after) and firing[0] == firing[1]


def _pages_anew(before: Shown, after: Shown) -> bool:
    """It fires there again, or it was somebody's and is nobody's."""
    lost = before.incident.state is State.ACKNOWLEDGED and after.incident.state is State.OPEN
    return not before.paging or lost


@pytest.mark.timeout(7200 if MANY else 600)
def test_any_order_of_events_ends_in_the_truth(empty: Path) -> None:
    chosen = settings(
        max_examples=MANY or 60,
        stateful_step_count=50,
        derandomize=not MANY,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Bridge(empty), settings=chosen)  # type: ignore[arg-type]  # it takes a function too
