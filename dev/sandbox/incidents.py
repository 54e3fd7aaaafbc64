"""PagerDuty's state: incidents by (routing_key, dedup_key), and every event that came in.

An open incident swallows more triggers without ringing again; a trigger after the resolve rings once more.
"""

from collections import OrderedDict, deque
from dataclasses import asdict, dataclass, field
from typing import Any

from dev.sandbox.wire import Json, now_text

LOG_ENTRIES_KEPT = 200


@dataclass
class Incident:
    number: int
    routing_key: str
    dedup_key: str
    summary: str
    severity: str
    source: str
    component: str | None = None
    group: str | None = None
    alert_class: str | None = None
    custom_details: Json = field(default_factory=dict)
    links: list[Json] = field(default_factory=list)
    images: list[Json] = field(default_factory=list)
    client: str | None = None
    client_url: str | None = None
    status: str = "triggered"
    pages: int = 1  # how often the phone rang
    triggered_at: str = field(default_factory=now_text)
    acknowledged_at: str | None = None
    resolved_at: str | None = None
    log: deque[Json] = field(default_factory=lambda: deque(maxlen=LOG_ENTRIES_KEPT))

    def note(self, action: str, **details: Any) -> None:
        self.log.append({"at": now_text(), "action": action, **details})


def _opened(number: int, dedup_key: str, event: Json) -> Incident:
    payload = event["payload"]
    return Incident(
        number=number,
        routing_key=event["routing_key"],
        dedup_key=dedup_key,
        summary=payload["summary"],
        severity=payload["severity"],
        source=payload["source"],
        component=payload.get("component"),
        group=payload.get("group"),
        alert_class=payload.get("class"),
        custom_details=payload.get("custom_details") or {},
        links=event.get("links") or [],
        images=event.get("images") or [],
        client=event.get("client"),
        client_url=event.get("client_url"),
    )


class PagerDutyAccount:
    def __init__(self, history: int) -> None:
        self._history = history
        self.reset()

    def reset(self) -> None:
        self.incidents: OrderedDict[int, Incident] = OrderedDict()
        self.events: deque[Json] = deque(maxlen=self._history)
        self.changes: deque[Json] = deque(maxlen=self._history)
        self.rejected: deque[Json] = deque(maxlen=self._history)
        self.pages = 0
        self._open: dict[tuple[str, str], Incident] = {}
        self._opened = 0

    def receive(self, event: Json, dedup_key: str) -> None:
        incident = self._open.get((event["routing_key"], dedup_key))
        effect = getattr(self, "_" + event["event_action"])(event, dedup_key, incident)
        self.events.append({"received_at": now_text(), "effect": effect, **event, "dedup_key": dedup_key})

    def receive_change(self, event: Json) -> None:
        self.changes.append({"received_at": now_text(), **event})

    def reject(self, status: int, errors: list[str], event: Any) -> None:
        self.rejected.append({"received_at": now_text(), "status": status, "errors": errors, "event": event})

    def _trigger(self, event: Json, dedup_key: str, incident: Incident | None) -> str:
        if incident is not None:
            payload = event["payload"]
            details = payload.get("custom_details") or {}
            incident.note("trigger", summary=payload["summary"], severity=payload["severity"], custom_details=details)
            return f"appended to #{incident.number}"
        return self._page(event, dedup_key)

    def _page(self, event: Json, dedup_key: str) -> str:
        self._opened += 1
        self.pages += 1
        incident = _opened(self._opened, dedup_key, event)
        incident.note("trigger", summary=incident.summary, severity=incident.severity)
        self.incidents[incident.number] = self._open[event["routing_key"], dedup_key] = incident
        if len(self.incidents) > self._history:
            self._forget_oldest()
        return f"opened #{incident.number}"

    def _forget_oldest(self) -> None:
        _, oldest = self.incidents.popitem(last=False)
        key = (oldest.routing_key, oldest.dedup_key)
        if self._open.get(key) is oldest:
            del self._open[key]

    def _acknowledge(self, event: Json, dedup_key: str, incident: Incident | None) -> str:
        if incident is None:
            return "dropped: no open incident"
        incident.note("acknowledge")
        incident.status = "acknowledged"
        incident.acknowledged_at = incident.acknowledged_at or now_text()
        return f"acknowledged #{incident.number}"

    def _resolve(self, event: Json, dedup_key: str, incident: Incident | None) -> str:
        if incident is None:
            return "dropped: no open incident"
        incident.note("resolve")
        incident.status, incident.resolved_at = "resolved", now_text()
        del self._open[event["routing_key"], dedup_key]
        return f"resolved #{incident.number}"

    def counts(self) -> Json:
        by_status = {"triggered": 0, "acknowledged": 0, "resolved": 0}
        for incident in self.incidents.values():
            by_status[incident.status] += 1
        totals = {"events": len(self.events), "changes": len(self.changes), "rejected": len(self.rejected)}
        return {"incidents": len(self.incidents), **by_status, "pages": self.pages, **totals}

    def snapshot(self) -> Json:
        return {
            "pages": self.pages,
            "incidents": [{**asdict(each), "log": list(each.log)} for each in self.incidents.values()],
            "events": list(self.events),
            "changes": list(self.changes),
            "rejected": list(self.rejected),
        }
