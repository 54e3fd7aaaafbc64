"""PagerDuty's change events: deployments, shown with the incidents of a service. They do not page.

https://developer.pagerduty.com/docs/send-change-event: they have no dedup_key, so a try whose answer was lost may show
twice there; `id` in the details is then the same. PagerDuty keeps them for 90 days.
"""

from __future__ import annotations

from typing import Any

import orjson

from bridge.channels.http import failed
from bridge.channels.pagerduty.channel import refusal_of
from bridge.channels.pagerduty.events import MAX_FIELD, MAX_SUMMARY
from bridge.channels.pagerduty.settings import PagerDutySettings
from bridge.core.errors import SendError
from bridge.core.facts import ChangeEvent
from bridge.outbound.http import CallFailed, HttpClient
from bridge.rendering.links import safe_href
from bridge.rendering.text import cut, one_line

Event = dict[str, Any]
MAX_DETAIL = 1000  #: characters; 60 of them are far below the vendor's 512 KB
MAX_LABELS = 50
_JSON = {"Content-Type": "application/json"}


class PagerDutyChanges:
    """One at a time, which keeps well below the vendor's limit and leaves it to the pages."""

    def __init__(self, settings: PagerDutySettings) -> None:
        self._key = settings.routing_key.get_secret_value()
        self._url = f"{settings.base_url}/v2/change/enqueue"
        self._timeout = settings.timeout.total_seconds()
        self._http = HttpClient(connections=1)
        self.lease_seconds = self._timeout + 30

    async def send(self, change: ChangeEvent) -> None:
        body = orjson.dumps({**event_of(change), "routing_key": self._key})
        try:
            answer = await self._http.call("POST", self._url, self._timeout, headers=_JSON, body=body)
        except CallFailed as error:
            raise failed(error) from None
        refusal = refusal_of(answer)
        if refusal is not None:
            detail = refusal.detail.replace(self._key, "***")
            raise SendError(refusal.reason, detail, ambiguous=refusal.ambiguous, retry_after=refusal.retry_after)

    async def close(self) -> None:
        await self._http.close()


def event_of(change: ChangeEvent) -> Event:
    """Without the routing key."""
    event: Event = {
        "payload": {
            "summary": cut(one_line(change.summary) or change.kind, MAX_SUMMARY),
            "source": cut(one_line(change.service or change.source), MAX_FIELD) or "incident-bridge",
            "timestamp": change.at.isoformat(),
            "custom_details": _details(change),
        }
    }
    href = safe_href(change.link) if change.link else None
    return event | ({"links": [{"href": href, "text": "More about this change"}]} if href else {})


def _details(change: ChangeEvent) -> Event:
    named = {
        "kind": change.kind,
        "service": change.service,
        "version": change.version,
        "previous": change.previous,
        "by": change.by,
        "told_by": change.source,
        "id": change.id,
    }
    labels = {one_line(name): _detail(value) for name, value in sorted(change.labels.items())[:MAX_LABELS]}
    return {name: _detail(value) for name, value in named.items() if value} | ({"labels": labels} if labels else {})


def _detail(text: str) -> str:
    return cut(one_line(text), MAX_DETAIL)
