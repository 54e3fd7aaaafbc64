"""Where it fails, on one line: pods, with how many of what they did failed, and versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bridge.core.facts import Context, Fact
from bridge.core.numbers import measured, shown
from bridge.core.ports import AlertLine
from bridge.rendering.fact_lines import MAX_WORST_PARTS, PODS, parts_text, short_name

MAX_NAMED = 3
LABELS = ("pod", "instance", "node", "version")  #: of alerts, for want of anything measured


def scope_of(context: Context) -> str:
    """`on 2 of 3 pods`, from the pods that fail."""
    failing = context.by_role("pods_failing")
    if failing is None or not failing.of or not failing.value or failing.value < 0.5:
        return ""
    return "on the only pod" if failing.of == 1 else f"on {measured(failing)} pods"


def where_measured(context: Context) -> str:
    """`2 of 3 pods; api-2: 40 of 90, api-1: 3 of 88; v2: 43 of 98, v1: 0 of 80`."""
    return "; ".join(_parts(context))


def where_labelled(alerts: Iterable[AlertLine]) -> str:
    """From the labels of the alerts that fire: `pod api-1, api-2 and 3 more`."""
    firing = [alert for alert in alerts if alert.status == "firing"]
    for name in LABELS:
        values = sorted({each.labels[name] for each in firing if each.labels.get(name)})
        if values:
            more = f" and {len(values) - MAX_NAMED} more" if len(values) > MAX_NAMED else ""
            return f"{name} {', '.join(short_name(value) for value in values[:MAX_NAMED])}{more}"
    return ""


def where_of(measured_there: str, alerts: Iterable[AlertLine]) -> str:
    """With the labels of the alerts, unless what was measured names the same."""
    labelled = where_labelled(alerts)
    named = labelled.partition(" ")[2].partition(" and ")[0].split(", ") if labelled else []
    if any(name in measured_there for name in named):
        return measured_there
    return "; ".join(filter(None, (labelled, measured_there)))


def _parts(context: Context) -> Iterator[str]:
    up = next(filter(None, map(context.by_role, PODS)), None)
    scope = scope_of(context).removeprefix("on ")
    pods, versions = (_counted(context.by_role(role)) for role in ("symptom_by_pod", "symptom_by_version"))
    if scope:
        yield scope
    elif not pods and up is not None and up.value and up.of and up.value < up.of:
        yield f"{measured(up)} {_lower(short_name(up.title))}"
    yield from filter(None, (pods, versions))
    running = context.by_role("pods_by_version")
    if not versions and running is not None and running.parts and (up is None or up.value):
        yield f"running {', '.join(_running(running))}"


def _lower(title: str) -> str:
    """`pods that answer Prometheus`."""
    return title[:1].lower() + title[1:]


def _counted(fact: Fact | None) -> str:
    """Only parts that know their whole: a share of all errors says nothing about the part."""
    known = fact is not None and fact.parts and fact.parts[0].of is not None
    return parts_text(fact, MAX_WORST_PARTS) if fact is not None and known else ""


def _running(running: Fact) -> Iterator[str]:
    for part in running.parts[:MAX_NAMED]:
        pods = shown(part.value, running.unit)
        yield f"{short_name(part.name)} on {pods} pod{'' if part.value == 1 else 's'}"
