"""A soak ends when nothing is to be sent any more, however long that takes on a slow machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dev.sandbox.running import running_sandbox
from dev.soak import running
from dev.soak.systems import Bridge
from tests.end_to_end.machines import eventually


class Vendors:
    """What responders see: nothing, until the system has been asked so often whether it is at rest."""

    def __init__(self, after: int) -> None:
        self.asked, self._after = 0, after

    def at_rest(self) -> bool:
        self.asked += 1
        return self.asked > self._after

    def clear_faults(self) -> None: ...

    @property
    def summary(self) -> dict[str, Any]:
        return {"shown": self.asked >= self._after}

    @property
    def state(self) -> dict[str, Any]:
        shown = self.asked >= self._after
        page = {"summary": "Firing: Soak0000001", "status": "triggered", "pages": 1}
        post = {"text": "Firing: Soak0000001", "attachments": []}
        mail = {"subject": "Soak0000001", "text": "", "headers": [["X-Alert-Status", "firing"]], "altered_copies": 0}
        return {
            "pagerduty": {"incidents": [page] * shown},
            "slack": {"channels": {"soak": {"messages": [post] * shown}}},
            "mail": [mail] * shown,
        }


def recovered(vendors: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(running, "QUIET_SECONDS", {True: 0.0, False: 0.0})
    monkeypatch.setattr(running, "POLL_SECONDS", 0.0)
    return running._recovered(vendors, vendors, running.Tally(accepted={1: True}))


def test_what_is_still_to_be_sent_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recovered(Vendors(after=5), monkeypatch).sound


def test_what_is_never_going_to_be_sent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    vendors = Vendors(after=5)
    monkeypatch.setattr(vendors, "at_rest", lambda: True)
    assert recovered(vendors, monkeypatch).lost == {"pagerduty": 1, "slack": 1, "email": 1}


def test_a_bridge_says_itself_whether_it_is_at_rest(tmp_path: Path) -> None:
    with running_sandbox() as sandbox:
        bridge = Bridge(tmp_path, sandbox)
        assert not bridge.at_rest()  # it does not even listen
        try:
            bridge.start()
            eventually(bridge.at_rest)
        finally:
            bridge.stop()
        assert not bridge.at_rest()
