"""How these tests speak to the sandbox: events, Slack calls, mails, and a plain HTTP request."""

import http.client
import json
import smtplib
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from dev.sandbox.running import RunningSandbox

ROUTING_KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "xoxb-1234567890-abcdefghij"


def request(
    url: str, method: str = "GET", body: bytes | None = None, timeout: float = 5, **headers: Any
) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        target = parts.path + ("?" + parts.query if parts.query else "")
        connection.request(method, target, body, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return (response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def post_json(url: str, body: Any, **headers: Any) -> tuple[int, Any]:
    status, _, answer = request(url, "POST", json.dumps(body).encode(), Content_Type="application/json", **headers)
    return status, json.loads(answer)


def an_event(action: str = "trigger", **changes: Any) -> dict[str, Any]:
    payload = {"summary": "BertApiDown", "source": "prod/bert-0", "severity": "critical"}
    event = {"routing_key": ROUTING_KEY, "event_action": action, "dedup_key": "k", "payload": payload}
    return event | changes


def with_payload(**changes: Any) -> dict[str, Any]:
    event = an_event()
    return event | {"payload": event["payload"] | changes}


def enqueue(sandbox: RunningSandbox, event: Any) -> tuple[int, Any]:
    return post_json(sandbox.http_url + "/v2/enqueue", event)


def slack(sandbox: RunningSandbox, method: str, **args: Any) -> Any:
    return post_json(sandbox.slack_base_url + method, args, Authorization=f"Bearer {TOKEN}")[1]


def posted(sandbox: RunningSandbox, text: str = "hello", **args: Any) -> Any:
    body = slack(sandbox, "chat.postMessage", channel="#ml-alerts", text=text, **args)
    assert body["ok"], body
    return body


def a_mail(message_id: str = "<1@example.org>", html: str = "<p>down</p>") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = ("bridge@example.org", "ml@example.org", "[alert] Latency")
    mail["Date"], mail["Message-ID"] = "Mon, 23 Nov 2026 08:00:00 +0000", message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("down")
    mail.add_alternative(html, subtype="html")
    mail.set_boundary("always-the-same")  # as a sender that resends identical bytes
    return mail


def send(sandbox: RunningSandbox, mail: EmailMessage, *recipients: str) -> dict[str, tuple[int, bytes]]:
    host, _, port = sandbox.smtp_address.rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=60) as client:
        return client.send_message(mail, to_addrs=recipients or ["ml@example.org"])
