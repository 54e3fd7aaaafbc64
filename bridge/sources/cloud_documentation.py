"""The documentation of a Cloud Monitoring policy: an object, or plain text in the test notification.

https://cloud.google.com/monitoring/alerts/doc-variables
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridge.rendering.links import safe_href
from bridge.rendering.text import cut, one_line
from bridge.sources.reading import readable

MAX_CONTENT = 10_000  #: characters; Google allows 8,192 bytes
#: a URL on the same line as the word: "runbook: https://...", "[Runbook](https://...)"
RUNBOOK = re.compile(r"(?:run|play)book[^\n]{0,80}?(https?://[^\s<>()\[\]\"'`]+)", re.IGNORECASE)


def description_of(documentation: object) -> str:
    content: object = documentation.get("content") if isinstance(documentation, dict) else documentation
    return cut(readable(content), MAX_CONTENT)


def subject_of(documentation: object) -> str:
    return one_line(readable(documentation.get("subject"))) if isinstance(documentation, dict) else ""


def runbook_of(documentation: object) -> str:
    """The link named runbook, else a runbook URL in the text, else the first link; empty without any."""
    links = list(_links(documentation))
    named = [href for name, href in links if re.search("(?:run|play)book", name, re.IGNORECASE)]
    written = [found.rstrip(".,;:!*") for found in RUNBOOK.findall(description_of(documentation))]
    candidates = (*named, *written, *(href for _, href in links))
    return next((each for each in candidates if safe_href(each)), "")


def _links(documentation: object) -> Iterator[tuple[str, str]]:
    links = documentation.get("links") if isinstance(documentation, dict) else None
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict):
            name = link.get("displayName") or link.get("display_name")
            yield readable(name), readable(link.get("url"))
