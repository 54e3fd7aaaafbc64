"""Webhooks as Alertmanager posts them: one, or a storm of them."""

from __future__ import annotations

import threading
import time
from typing import Any

import requests

from tests.end_to_end.machines import Bridge


def webhook(number: int, status: str = "firing") -> dict[str, Any]:
    alert = {
        "status": status,
        "labels": {"alertname": f"Storm{number}", "severity": "critical"},
        "annotations": {"summary": "a storm"},
        "startsAt": "2026-03-01T12:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": f"{number:016x}",
    }
    labels = {"alertname": f"Storm{number}"}
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="Storm{number}"}}',
        "status": status,
        "receiver": "bridge",
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1",
        "alerts": [alert],
    }


class Storm:
    """Posts webhooks as Alertmanager does: again and again until it gets a 2xx."""

    def __init__(self, bridge: Bridge, token: str, size: int, first: int = 0) -> None:
        self._bridge, self._headers = bridge, {"Authorization": f"Bearer {token}"}
        self._numbers = range(first, first + size)
        self.accepted = 0
        self._threads = [threading.Thread(target=self._post, args=(part,), daemon=True) for part in range(4)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        for thread in self._threads:
            thread.join(300)

    def _post(self, part: int) -> None:
        for number in self._numbers[part::4]:
            while not self._accepted(number):
                time.sleep(0.1)
            self.accepted += 1

    def _accepted(self, number: int) -> bool:
        url = f"{self._bridge.url}/webhook/alertmanager/prod"
        try:
            return requests.post(url, json=webhook(number), headers=self._headers, timeout=60).ok
        except requests.RequestException:
            return False


def reached(storm: Storm, accepted: int) -> bool:
    return storm.accepted > accepted


def post(bridge: Bridge, token: str, name: str, *, over: bool = False, pods: int = 1) -> None:
    """A group of critical alerts, as Alertmanager sends it."""
    labels, status = {"alertname": name, "severity": "critical"}, "resolved" if over else "firing"
    body = {
        "version": "4", "groupKey": f'{{}}:{{alertname="{name}"}}', "status": status, "receiver": "bridge",
        "groupLabels": {"alertname": name}, "commonLabels": labels, "commonAnnotations": {},
        "externalURL": "http://127.0.0.1",
        "alerts": [{
            "status": status, "labels": {**labels, "pod": str(pod)}, "annotations": {}, "generatorURL": "",
            "fingerprint": f"{name}{pod}", "startsAt": "2026-03-01T12:00:00Z",
            "endsAt": "2026-03-01T12:30:00Z" if over else "0001-01-01T00:00:00Z",
        } for pod in range(pods)],
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{bridge.url}/webhook/alertmanager/prod", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text


ALERT = {"status": "firing", "labels": {"alertname": "A", "severity": "info"}, "startsAt": "2026-11-23T08:34:20Z"}


def answer(url: str, number: int) -> int:
    body = {"version": "4", "groupKey": f"key-{number}", "receiver": "r", "alerts": [ALERT]}
    return requests.post(f"{url}/webhook/alertmanager", json=body, timeout=60).status_code
