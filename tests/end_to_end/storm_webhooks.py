"""Single alerts, each a group of its own, as many as a storm has."""

from __future__ import annotations

import requests

from tests.end_to_end.machines import Bridge


def post(bridge: Bridge, token: str, name: str, number: int, severity: str, *, over: bool = False) -> None:
    status, labels = "resolved" if over else "firing", {"alertname": name, "severity": severity, "pod": str(number)}
    body = {
        "version": "4", "groupKey": f"{name}{number}", "status": status, "receiver": "bridge",
        "groupLabels": {"alertname": name, "pod": str(number)}, "commonLabels": labels, "commonAnnotations": {},
        "externalURL": "http://127.0.0.1",
        "alerts": [{
            "status": status, "labels": labels, "annotations": {"summary": f"{name} on pod {number}"},
            "generatorURL": "", "fingerprint": f"{name}{number}", "startsAt": "2026-03-01T12:00:00Z",
            "endsAt": "2026-03-01T12:30:00Z" if over else "0001-01-01T00:00:00Z",
        }],
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{bridge.url}/webhook/alertmanager/prod", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
