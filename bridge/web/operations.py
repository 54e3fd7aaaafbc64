"""Endpoints for operators and probes: health, readiness, heartbeats, metrics and reload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from bridge.config.settings import Settings
from bridge.core.health import Check, readiness
from bridge.core.heartbeats import Heartbeat
from bridge.core.roles import Role
from bridge.core.views import Health
from bridge.observability import logs
from bridge.observability.metrics import CONTENT_TYPE, Metrics
from bridge.web.callers import from_another_site
from bridge.web.logins import Logins
from bridge.web.probing import StoreProbe
from bridge.web.users import refuse_below

log = logs.get(__name__)


def blueprint(
    current: Callable[[], Settings],
    probe: StoreProbe,
    metrics: Metrics,
    reload: Callable[[], list[str]] | None,
    logins: Logins,
) -> Blueprint:
    routes = Blueprint("operations", __name__)

    @routes.get("/-/healthy")
    def healthy() -> ResponseReturnValue:
        return jsonify(healthy=True)

    @routes.get("/-/ready")
    def ready() -> ResponseReturnValue:
        health, refused = probe.both()
        checks = readiness(health, current().limits.overdue, refused)
        fine = all(check.ok for check in checks.values())
        answer = jsonify(ready=fine, checks={name: asdict(check) for name, check in checks.items()})
        return answer, 200 if fine else 503

    @routes.get("/-/watchdog")
    def watchdog() -> ResponseReturnValue:
        checks = heartbeat_checks(probe.health(), current().heartbeats)
        fine = all(check.ok for check in checks.values())
        answer = jsonify(heard=fine, heartbeats={name: asdict(check) for name, check in checks.items()})
        return answer, 200 if fine else 503

    @routes.get("/metrics")
    def show_metrics() -> ResponseReturnValue:
        settings = current()
        sources, types = [source.name for source in settings.sources], {source.type for source in settings.sources}
        metrics.know(settings.channels, [*sources, "unknown"], types)
        expected = {each.name: each.every.total_seconds() for each in settings.heartbeats}
        health, refused = probe.both()
        text = metrics.exposition(lambda: health, settings.channels, expected, writable=not refused)
        return Response(text, content_type=CONTENT_TYPE)

    @routes.post("/-/reload")
    def reload_now() -> ResponseReturnValue:
        return _may_not_reload(current(), logins) or _reload(reload)

    return routes


def heartbeat_checks(health: Health | None, expected: Sequence[Heartbeat]) -> dict[str, Check]:
    """For an outside probe, which must fail if no heartbeat is configured."""
    if not expected:
        return {"": Check(False, "no heartbeat is configured: add heartbeats to routes.yaml")}
    if health is None:
        return {each.name: Check(False, "unknown: the store did not answer") for each in expected}
    return {each.name: _heartbeat_check(each, health.heartbeat_seconds.get(each.name)) for each in expected}


def _heartbeat_check(expected: Heartbeat, seconds: float | None) -> Check:
    limit = expected.every.total_seconds()
    if seconds is None:
        return Check(False, "never received, and no worker expects it yet")
    if seconds > limit:
        text = f"not received for {seconds:.0f} s (expected every {limit:.0f} s): alerts may not arrive either"
        return Check(False, text)
    return Check(True, f"received {seconds:.0f} s ago")


def _may_not_reload(settings: Settings, logins: Logins) -> ResponseReturnValue | None:
    if from_another_site(request, settings):
        return jsonify(error="requests from another site's page are refused"), 403
    refusal = logins.demand()
    if refusal is None:
        refuse_below(Role.ADMIN)
    return refusal


def _reload(reload: Callable[[], list[str]] | None) -> ResponseReturnValue:
    if reload is None:
        return jsonify(error="this process cannot reload its configuration: restart it"), 404
    faults = reload()
    if faults:
        error = "the new configuration has faults; the old one stays in force"
        return jsonify(error=error, faults=faults), 400
    return jsonify(reloaded=True)
