"""The bridge's own metrics.

Invariant: label values come from the configuration or from the lists here, never from requests; every configured
channel has its series from the start, as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bridge import __version__
from bridge.core.changes import KINDS, OTHER, bounded
from bridge.core.errors import Reason
from bridge.core.model import Severity
from bridge.core.ports import Accepted, WebhookOutcome
from bridge.core.reconciliation import Outcome
from bridge.core.views import Health
from bridge.observability.metric_files import LIVE, SharedFiles, shared_files
from bridge.observability.process_metrics import ProcessMetrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series per counter, which nothing uses
CONTENT_TYPE = CONTENT_TYPE_LATEST
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
WEBHOOK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
CONTEXT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5)
#: failed: no usable answer; refused: the query itself is wrong; paused: not sent, as Prometheus has not answered lately
CONTEXT_OUTCOMES = ("ok", "failed", "refused", "paused")
REFUSED = ("invalid", "too_large", "unauthorized", "unavailable")
DELIVERY_OUTCOMES = ("sent", "skipped", "dead")
PING_OUTCOMES = ("ok", "failed", "withheld")
ATTEMPT_RESULTS = ("ok", *map(str, Reason))


class Metrics:
    """One per process; each test needs its own."""

    @classmethod
    def of_process(cls, name: str) -> Metrics:
        """name: web or worker. Counters of processes with the same PROMETHEUS_MULTIPROC_DIR are summed.

        Raises OSError if that folder cannot be used; then Metrics(process=name) counts for itself.
        """
        return cls(process=name, shared=shared_files(name))

    def __init__(
        self, registry: CollectorRegistry | None = None, *, process: str = "web", shared: SharedFiles | None = None
    ) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._process, self._shared = process, shared
        counter = self._counter
        self.webhooks = counter("bridge_webhooks_received", "Webhooks by outcome", "source", "outcome")
        self.webhook_seconds = Histogram(
            "bridge_webhook_duration_seconds",
            "From a webhook's whole body to its answer, by the type of its source",
            ["type"],
            buckets=WEBHOOK_BUCKETS,
            registry=self.registry,
        )
        self.alerts = counter("bridge_alerts_received", "Alerts in accepted webhooks", "source")
        self.incidents = counter("bridge_incidents", "What happened to incidents", "event")
        self.deliveries = counter("bridge_deliveries", "Finished deliveries", "channel", "outcome")
        self.attempts = counter("bridge_delivery_attempts", "Delivery attempts", "channel", "result")
        self.changes = counter("bridge_changes", "Recorded deployments and other changes", "kind", "source")
        self.change_events = counter(
            "bridge_change_events", "Attempts to send a change event to a channel", "channel", "result"
        )
        self.looks = counter(
            "bridge_reconciler_looks", "Reconciliation rounds of a source's Alertmanagers", "source", "outcome"
        )
        self.ended = counter("bridge_reconciler_ended_alerts", "Alerts ended by reconciliation", "source")
        self.latency = Histogram(
            "bridge_delivery_latency_seconds",
            "From accepting a change to a channel showing it",
            ["channel"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.context = counter("bridge_context_queries", "Queries for messages' context by outcome", "outcome")
        self.context_seconds = Histogram(
            "bridge_context_query_seconds",
            "How long a query for context took",
            buckets=CONTEXT_BUCKETS,
            registry=self.registry,
        )
        self.pings = counter("bridge_pings", "Outside pings; withheld while the audit has findings", "outcome")
        for outcome in PING_OUTCOMES:
            self.pings.labels(outcome)
        self._build_info()
        self._of_configuration()
        self.system = ProcessMetrics(self.registry, process)
        for outcome in CONTEXT_OUTCOMES:
            self.context.labels(outcome)
        for event in (each for each in WebhookOutcome if each.is_event):
            self.incidents.labels(event.value)

    def context_queried(self, outcome: str, seconds: float) -> None:
        """One query for context ended."""
        self.context.labels(outcome).inc()
        if outcome != "paused":
            self.context_seconds.observe(seconds)

    def pinged(self, outcome: str) -> None:
        """One of PING_OUTCOMES."""
        self.pings.labels(outcome).inc()

    def declare_reconciled(self, sources: Iterable[str]) -> None:
        """Create the series of every source that is reconciled with its Alertmanagers."""
        for source in sources:
            self.ended.labels(source)
            for outcome in Outcome:
                self.looks.labels(source, outcome.value)

    def reconciliation_ended(self, source: str, outcome: str) -> None:
        """All Alertmanagers of a source were asked."""
        self.looks.labels(source, outcome).inc()

    def alerts_ended(self, source: str, ended: int) -> None:
        """So many alerts were ended because no Alertmanager lists them."""
        self.ended.labels(source).inc(ended)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(name, help_text, labels, registry=self.registry, multiprocess_mode=LIVE)

    def _build_info(self) -> None:
        self._gauge("bridge_build_info", "The version that runs; always 1", "version").labels(__version__).set(1)

    def _of_configuration(self) -> None:
        """As Prometheus and Alertmanager expose it, but per process, as each process reads the file."""
        loads = self._counter(
            "bridge_config_reloads", "Attempts to load routes.yaml, including the first", "process", "outcome"
        )
        self._loads = {
            refused: loads.labels(self._process, "refused" if refused else "ok") for refused in (False, True)
        }
        successful = self._gauge(
            "bridge_config_last_reload_successful", "0 while a changed routes.yaml is refused", "process"
        )
        text = "When routes.yaml was last loaded"
        loaded_at = self._gauge("bridge_config_last_reload_success_timestamp_seconds", text, "process")
        self._loaded_ok, self._loaded_at = successful.labels(self._process), loaded_at.labels(self._process)

    def loaded(self, *, refused: bool) -> None:
        """routes.yaml was read, and is in force unless refused."""
        self._loads[refused].inc()
        self._loaded_ok.set(not refused)
        if not refused:
            self._loaded_at.set_to_current_time()

    def know(self, channels: Iterable[str], sources: Iterable[str], types: Iterable[str] = ()) -> None:
        """Create the series of every configured name, so that they are 0 rather than absent."""
        for channel in channels:
            self.latency.labels(channel)
            for outcome in DELIVERY_OUTCOMES:
                self.deliveries.labels(channel, outcome)
            for result in ATTEMPT_RESULTS:
                self.attempts.labels(channel, result)
        for type_ in types:
            self.webhook_seconds.labels(type_)
        for source in sources:
            self.alerts.labels(source)
            for outcome in (*map(str, WebhookOutcome), *REFUSED):
                self.webhooks.labels(source, outcome)
            for kind in (*KINDS, OTHER):
                self.changes.labels(kind, source)

    def accepted(self, source: str, alerts: int, accepted: Accepted) -> None:
        """A webhook was stored."""
        self.webhooks.labels(source, accepted.outcome).inc()
        self.alerts.labels(source).inc(alerts)
        if accepted.outcome.is_event:
            self.incidents.labels(accepted.outcome).inc()
        for kind in accepted.changes:
            self.changed(source, kind)

    def answered(self, type_: str, seconds: float) -> None:
        """A webhook of a source of this type was answered, so long after its body had arrived."""
        self.webhook_seconds.labels(type_).observe(max(0.0, seconds))

    def changed(self, source: str, kind: str) -> None:
        """A new change was recorded."""
        self.changes.labels(bounded(kind), source).inc()

    def refused(self, source: str, outcome: str) -> None:
        """A webhook was not stored; outcome is one of REFUSED."""
        self.webhooks.labels(source, outcome).inc()

    def sent(self, channel: str, seconds: Sequence[float], *, skipped: int = 0) -> None:
        """Deliveries succeeded; seconds of each since its change was accepted. skipped: those with nothing to send."""
        if skipped:
            self.deliveries.labels(channel, "skipped").inc(skipped)
        if seconds:
            self.deliveries.labels(channel, "sent").inc(len(seconds))
            self.attempts.labels(channel, "ok").inc(len(seconds))
            latency = self.latency.labels(channel)
            for each in seconds:
                latency.observe(each)

    def failed(self, channel: str, reason: str) -> None:
        """An attempt failed and will be retried."""
        self.attempts.labels(channel, reason).inc()

    def dead(self, channel: str, reason: str) -> None:
        """An attempt failed permanently."""
        self.attempts.labels(channel, reason).inc()
        self.deliveries.labels(channel, "dead").inc()

    def declare_change_channels(self, channels: Iterable[str]) -> None:
        """Create the series of the channels that take change events."""
        for channel in channels:
            for result in ATTEMPT_RESULTS:
                self.change_events.labels(channel, result)

    def change_event_tried(self, channel: str, result: str) -> None:
        """A change event was sent to a channel, or not; result is one of ATTEMPT_RESULTS."""
        self.change_events.labels(channel, result).inc()

    def exposition(
        self,
        health: Callable[[], Health | None],
        channels: Iterable[str],
        heartbeats: Mapping[str, float] = MappingProxyType({}),
        *,
        writable: bool = True,
    ) -> bytes:
        """The text of GET /metrics, of all processes that share PROMETHEUS_MULTIPROC_DIR if there is one.

        heartbeats: name -> expected interval in seconds. writable: webhooks can be stored.
        """
        self.system.refresh()
        collector = StoreCollector(health, tuple(channels), heartbeats, writable=writable)
        of_the_store = CollectorRegistry(auto_describe=False)
        of_the_store.register(collector)
        return generate_latest(self._gathered()) + generate_latest(of_the_store)

    def of_this_process(self) -> bytes:
        """The text of a worker's own /metrics: only its own metrics since it started."""
        self.system.refresh()
        return generate_latest(self.registry)

    def _gathered(self) -> CollectorRegistry:
        if self._shared is None or not self._shared.folder.is_dir():
            return self.registry
        return self._shared.of_all()


class StoreCollector(Collector):
    """Gauges read from the store at scrape time; if it does not answer, only the store's own."""

    def __init__(
        self,
        health: Callable[[], Health | None],
        channels: tuple[str, ...],
        heartbeats: Mapping[str, float] = MappingProxyType({}),
        *,
        writable: bool = True,
    ) -> None:
        self._health, self._writable = health, writable
        self._channels = channels
        self._heartbeats = heartbeats

    def collect(self) -> Iterator[GaugeMetricFamily]:
        health = self._health()
        yield GaugeMetricFamily("bridge_store_up", "1 when the store answered this scrape", float(health is not None))
        text = "1 when webhooks could be stored at this scrape"
        yield GaugeMetricFamily("bridge_store_writable", text, float(self._writable))
        if health is not None:
            yield from self._of_channels(health)
            yield from self._of_incidents(health)
            yield from self._of_heartbeats(health)

    def _of_heartbeats(self, health: Health) -> Iterator[GaugeMetricFamily]:
        age = GaugeMetricFamily("bridge_heartbeat_age_seconds", "Since a heartbeat was received", labels=["name"])
        limit = GaugeMetricFamily(
            "bridge_heartbeat_expected_seconds", "Age at which a heartbeat is missing", labels=["name"]
        )
        for name, seconds in self._heartbeats.items():
            limit.add_metric([name], seconds)
            if name in health.heartbeat_seconds:
                age.add_metric([name], health.heartbeat_seconds[name])
        yield from (age, limit)

    def _of_channels(self, health: Health) -> Iterator[GaugeMetricFamily]:
        yield self._pending(health)
        yield self._each_channel("deliveries_dead", "Dead letters", health.dead)
        overdue = "How long the oldest waiting delivery is overdue"
        yield self._each_channel("delivery_overdue_seconds", overdue, health.overdue_seconds)
        paused = dict.fromkeys(health.paused, 1.0)
        yield self._each_channel("channel_paused", "1 while the whole channel is paused, or only probed", paused)
        alone = "Deliveries that fail while others of their channel succeed"
        yield self._each_channel("deliveries_failing_alone", alone, health.alone)
        storms = dict.fromkeys(health.storms, 1.0)
        yield self._each_channel("storm_active", "1 while a storm's digest represents waiting incidents", storms)
        yield self._each_channel("storm_collapsed", "Incidents that are in the digest only", health.storms)

    def _pending(self, health: Health) -> GaugeMetricFamily:
        none = {(channel, str(severity)): 0 for channel in self._channels for severity in Severity}
        name, text = "bridge_deliveries_pending", "Deliveries that wait to be sent"
        family = GaugeMetricFamily(name, text, labels=["channel", "severity"])
        for labels, count in (none | dict(health.pending)).items():
            family.add_metric(labels, count)
        return family

    def _each_channel(self, name: str, text: str, values: Mapping[str, float]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"bridge_{name}", text, labels=["channel"])
        for channel, value in (dict.fromkeys(self._channels, 0.0) | dict(values)).items():
            family.add_metric([channel], value)
        return family

    def _of_incidents(self, health: Health) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("bridge_incidents_open", "Incidents that are not resolved", labels=["severity"])
        for severity, count in (dict.fromkeys(map(str, Severity), 0) | dict(health.open_incidents)).items():
            family.add_metric([severity], count)
        yield family
        flapping = "Incidents that flap, whose end is deferred"
        yield GaugeMetricFamily("bridge_flapping_incidents", flapping, float(health.flapping_incidents))
        seen = health.worker_seen_seconds
        text = "Since a worker's last sign of life; infinite if there was none"
        yield GaugeMetricFamily("bridge_worker_seen_seconds", text, float("inf") if seen is None else seen)
