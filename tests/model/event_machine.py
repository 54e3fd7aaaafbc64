"""Alerts, actions of users, crashes, outages and reloads in any order; in the end every vendor shows the true state."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

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
RESOLVED = ("Resolved", "Notice")  #: how the text of a resolved incident begins


@dataclass
class Expected:
    """The state that each channel should show of one group since the last change, by the routes in force then."""

    incident: Incident
    routes: str
    channels: dict[str, bool] = field(default_factory=dict)  #: name -> whether it shows the group as firing

    @property
    def paging(self) -> bool:
        return self.channels.get("pager", False)


class EventMachine(RuleBasedStateMachine):
    def __init__(self, migrated: Path) -> None:
        super().__init__()
        self.now = at(0)
        self.folder = Path(tempfile.mkdtemp(dir=migrated.parent))
        shutil.copy(migrated, self.folder / "bridge.db")
        self.engine = open_database(f"sqlite:///{self.folder}/bridge.db")
        self.engine.dispose()  # later connections do not wait for the disk
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
        self.expected: dict[str, Expected] = {}
        self.may_page: Counter[str] = Counter()

    def clock(self) -> datetime:
        return self.now

    def expect(self, group: str) -> None:
        """Updates the expected state of a group; called after each event that may have changed its incident."""
        incident = self.bridge.newest(group)
        before = self.expected.get(group)
        if incident is None or (before is not None and _same(before.incident, incident)):
            return
        noted = before is not None and _revision(before.incident) == _revision(incident)
        after = Expected(incident, before.routes if before is not None and noted else self.bridge.loaded)
        for alert in incident.alerts.values():
            for channel in ROUTES[after.routes][alert.labels["severity"]]:
                fires = alert.shown and not incident.resolved
                after.channels[channel] = after.channels.get(channel, False) or fires
        for each in self.bridge.reader.deliveries(incident.number):
            if "notified because" in each.why:  # its routes do not decide what it shows
                after.channels.pop(each.channel, None)
        self.expected[group] = after
        if after.paging and (before is None or _may_page_again(before, after)):
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
            self.alertmanager.mark_notified(group)
        self.expect(group)

    @rule(death=st.sampled_from(Death), freed=st.booleans())
    def work(self, death: Death, freed: bool) -> None:
        self.bridge.work(death, freed=freed)

    @rule(group=GROUPS)
    def work_while_notified(self, group: str) -> None:
        self.bridge.work(meanwhile=lambda: self.notify(group))

    @rule(group=GROUPS)
    def acknowledge(self, group: str) -> None:
        if group in self.expected:
            self.bridge.acknowledge(self.expected[group].incident.number)
            self.expect(group)

    @rule(group=GROUPS)
    def resolve(self, group: str) -> None:
        if group in self.expected:
            self.bridge.resolve(self.expected[group].incident.number)
            self.expect(group)

    @rule(channel=st.sampled_from(CHANNELS), trouble=st.sampled_from(Trouble))
    def trouble(self, channel: str, trouble: Trouble) -> None:
        self.vendors[channel].trouble = trouble

    @rule(name=st.sampled_from(sorted(ROUTES)))
    def reload(self, name: str) -> None:
        self.bridge.reload(name)

    @rule()
    def reconcile(self) -> None:
        self.bridge.reconcile(self.alertmanager.state())
        self._expect_all()

    @precondition(lambda self: self.expected)
    @rule(seconds=st.sampled_from([1, 5, 61, 130, 301, 901, 7201]))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self._watch()

    def _watch(self) -> None:
        self.bridge.watch()
        self._expect_all()

    def _expect_all(self) -> None:
        for group in self.alertmanager.groups:
            self.expect(group)

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
            assert not any(firing for expected in self.expected.values() for firing in expected.channels.values())
            self._check_resolved()
        finally:
            self.bridge.close()
            self.engine.dispose()
            shutil.rmtree(self.folder)

    def _recover(self) -> None:
        """Vendors answer again, Alertmanager repeats its notifications and is reconciled, until nothing is left."""
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
        for group, expected in self.expected.items():
            self._check_bridge(group, expected.incident)
            self._check_pagerduty(group, expected)
            self._check_slack(expected)
            self._check_mail(expected)

    def _check_bridge(self, group: str, incident: Incident) -> None:
        fires = {alert.labels["severity"] for alert in incident.firing}
        if not incident.resolved:
            assert set() < fires <= self.alertmanager.firing(group)
        if self.alertmanager.notifiable(group):
            assert not incident.resolved
            assert self.alertmanager.notifiable(group) <= fires

    def _check_pagerduty(self, group: str, expected: Expected) -> None:
        key = expected.incident.dedup_key
        status = self.pagerduty.status(key)
        if expected.paging:
            acknowledged = expected.incident.state is State.ACKNOWLEDGED
            assert status == ("acknowledged" if acknowledged else "triggered")
        elif "pager" in expected.channels:
            assert status in ("", "resolved")
        assert self.pagerduty.pages(key) <= self.may_page[group]

    def _check_slack(self, expected: Expected) -> None:
        posts = self.slack.about(expected.incident.uid)
        if expected.channels.get("slack"):
            assert len(posts) == 1
        for post in posts:
            revisions = [each["metadata"]["event_payload"]["revision"] for each in self.slack.replies(post["ts"])]
            assert sorted(revisions) == sorted(set(revisions))
            if "slack" in expected.channels:
                assert post["text"].startswith(RESOLVED) is not expected.channels["slack"]

    def _check_mail(self, expected: Expected) -> None:
        mails = self.mail.about(expected.incident.number)
        assert sum(each.altered_copies for each in mails) == 0
        if "mail" in expected.channels and (mails or expected.channels["mail"]):
            assert mails[-1].header("X-Alert-Status") == ("firing" if expected.channels["mail"] else "resolved")

    def _check_resolved(self) -> None:
        assert [each.dedup_key for each in self.pagerduty.account.incidents.values() if each.status != "resolved"] == []
        assert [each["text"] for each in self.slack.top() if not each["text"].startswith(RESOLVED)] == []
        for number in self.bridge.numbers():
            assert [each.header("X-Alert-Status") for each in self.mail.about(number)[-1:]] == ["resolved"] or (
                not self.mail.about(number)
            )


def _revision(incident: Incident) -> tuple[int, int]:
    return incident.number, incident.revision


def _same(before: Incident, after: Incident) -> bool:
    firing = [{alert.fingerprint for alert in each.firing} for each in (before, after)]
    return _revision(before) == _revision(after) and firing[0] == firing[1]


def _may_page_again(before: Expected, after: Expected) -> bool:
    """It fires there again, or it was acknowledged and is open again."""
    lost = before.incident.state is State.ACKNOWLEDGED and after.incident.state is State.OPEN
    return not before.paging or lost
