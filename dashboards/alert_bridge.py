"""Alert Bridge: is the way from an alert to a person open, how fast is it, and which alerts make the noise?

Several bridges on one database report the same gauges, so these take the maximum, never the sum.
"""

from __future__ import annotations

from dashboards.dashboard import Dashboard, Panel, Row
from dashboards.frame import ALERTS_EVERYWHERE, TITLES, variables
from dashboards.limits import limits
from dashboards.looks import Override, lines, stat, table, timeline
from dashboards.queries import Query, for_table, increase, quantile, series

UID = "alert-bridge"
FIRING = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
BEGAN_FIRING = f"count_over_time(({FIRING} unless {FIRING} offset 1m)[$__range:1m])"


def of_channels(gauge: str, by: str = "channel") -> str:
    return f"max by ({by}) ({series(gauge)})"


STORE = Panel(
    id=1,
    title="Store",
    description="Whether every bridge can store what comes in. If not, alerts are refused with 503, and Alertmanager "
    "keeps them.",
    look=stat(graph=False),
    unit="none",
    queries=(Query(f"min({series('bridge_store_writable')})", "store"),),
    states=((0, "refuses", "red"), (1, "takes in", "green")),
    width=4,
    height=4,
)
WORKER = Panel(
    id=2,
    title="Worker seen",
    description="Since a worker's last sign of life. Without a worker alerts are stored, but no one is notified.",
    look=stat(graph=False),
    unit="s",
    queries=(Query(f"max({series('bridge_worker_seen_seconds')})", "seen"),),
    width=4,
    height=4,
)
WAITING = Panel(
    id=3,
    title="Deliveries waiting",
    description="Messages that are stored and not yet sent, all channels.",
    look=stat(),
    unit="none",
    queries=(Query(f"sum({of_channels('bridge_deliveries_pending', 'channel, severity')})", "waiting"),),
    width=4,
    height=4,
)
OVERDUE_NOW = Panel(
    id=4,
    title="Oldest overdue",
    description="How late the oldest waiting delivery is, over all channels.",
    look=stat(),
    unit="s",
    queries=(Query(f"max({series('bridge_delivery_overdue_seconds')})", "overdue"),),
    limits=limits("BridgeDeliveriesOverdue"),
    width=4,
    height=4,
)
DEAD_NOW = Panel(
    id=5,
    title="Dead letters",
    description="Dead letters, which wait for an operator to replay them: `bridge incidents replay`.",
    look=stat(),
    unit="none",
    queries=(Query(f"sum({of_channels('bridge_deliveries_dead')})", "dead"),),
    limits=limits("BridgeDeadLetters"),
    width=4,
    height=4,
)
INCIDENTS_NOW = Panel(
    id=6,
    title="Open incidents",
    description="Incidents that are not resolved, by severity.",
    look=stat(graph=False),
    unit="none",
    queries=(Query(of_channels("bridge_incidents_open", "severity"), "{{severity}}"),),
    width=4,
    height=4,
)
DELIVERIES = Panel(
    id=7,
    title="Deliveries by channel and outcome",
    description="Finished deliveries: sent, skipped (nothing was left to send), dead.",
    look=lines(stacked=True, bars=True),
    unit="none",
    queries=(
        Query(
            increase("bridge_deliveries_total", "$__rate_interval", by="channel, outcome"), "{{channel}}: {{outcome}}"
        ),
    ),
    overrides=(Override("/: dead$/", {"color": {"fixedColor": "red", "mode": "fixed"}}),),
)
LATENCY = Panel(
    id=8,
    title="From webhook to accepted message",
    description="From the moment a change is stored to the moment the vendor takes the message, per channel.",
    look=lines(),
    unit="s",
    queries=tuple(
        Query(
            quantile(rank, "bridge_delivery_latency_seconds", "$__rate_interval", by="channel"),
            f"P{rank * 100:.0f} {{{{channel}}}}",
        )
        for rank in (0.5, 0.95, 0.99)
    ),
)
FAILURES = Panel(
    id=9,
    title="Failed attempts by reason",
    description="Single tries that did not work; most are tried again by themselves. What ends as a dead letter is "
    "counted there, too.",
    look=lines(stacked=True, bars=True),
    unit="none",
    queries=(
        Query(
            increase("bridge_delivery_attempts_total", "$__rate_interval", 'result!="ok"', by="channel, result"),
            "{{channel}}: {{result}}",
        ),
    ),
)
BACKLOG = Panel(
    id=10,
    title="Deliveries waiting by channel and severity",
    description="The backlog. Critical is sent before warning, and warning before info.",
    look=lines(stacked=True),
    unit="none",
    queries=(Query(of_channels("bridge_deliveries_pending", "channel, severity"), "{{channel}}: {{severity}}"),),
    width=6,
)
OVERDUE = Panel(
    id=11,
    title="Overdue by channel",
    description="How late the oldest waiting delivery of each channel is.",
    look=lines(),
    unit="s",
    queries=(Query(of_channels("bridge_delivery_overdue_seconds"), "{{channel}}"),),
    limits=limits("BridgeDeliveriesOverdue"),
    width=6,
)
DEAD = Panel(
    id=12,
    title="Dead letters by channel",
    description="Dead letters: refused permanently, or retried for too long.",
    look=lines(steps=True),
    unit="none",
    queries=(Query(of_channels("bridge_deliveries_dead"), "{{channel}}"),),
    limits=limits("BridgeDeadLetters"),
    width=6,
)
PAUSED = Panel(
    id=13,
    title="Paused channels",
    description="A channel pauses as a whole when its vendor asks for fewer requests or refuses the credentials.",
    look=timeline(),
    unit="none",
    queries=(Query(of_channels("bridge_channel_paused"), "{{channel}}"),),
    states=((0, "open", "green"), (1, "paused", "red")),
    width=6,
)
WEBHOOKS = Panel(
    id=14,
    title="Webhooks by outcome",
    description="What the sources sent, and what came of it. unavailable: the bridge asked the source to try again.",
    look=lines(stacked=True, bars=True),
    unit="none",
    queries=(
        Query(
            increase("bridge_webhooks_received_total", "$__rate_interval", by="source, outcome"),
            "{{source}}: {{outcome}}",
        ),
    ),
    width=6,
)
EVENTS = Panel(
    id=15,
    title="Incidents",
    description="Incidents that opened, changed, came back and ended.",
    look=lines(stacked=True, bars=True),
    unit="none",
    queries=(Query(increase("bridge_incidents_total", "$__rate_interval", by="event"), "{{event}}"),),
    width=6,
)
OPEN = Panel(
    id=16,
    title="Open incidents by severity",
    description="Incidents that are not resolved.",
    look=lines(stacked=True, steps=True),
    unit="none",
    queries=(Query(of_channels("bridge_incidents_open", "severity"), "{{severity}}"),),
    width=6,
)
NOISE = Panel(
    id=17,
    title="Noise per alert",
    description="How often each alert began to fire in the chosen time, and for how long all its instances fired "
    "together. One that fires often and briefly wants a longer `for`, or to go.",
    look=table(
        {"alertname": "Alert", "severity": "Severity", "Value #A": "Times fired", "Value #B": "Time firing"},
        "Times fired",
    ),
    unit="none",
    queries=(
        for_table(f"sum by (alertname, severity) ({BEGAN_FIRING})"),
        for_table(f"sum by (alertname, severity) (count_over_time({FIRING}[$__range:1m])) * 60"),
    ),
    overrides=(Override("/^Time firing$/", {"unit": "dtdurations"}),),
    width=12,
    height=10,
)
FIRING_COURSE = Panel(
    id=18,
    title="Alerts firing",
    description="Firing instances of each alert; what fires together often has one cause.",
    look=lines(stacked=True, steps=True),
    unit="none",
    queries=(Query(f"sum by (alertname) ({FIRING})", "{{alertname}}"),),
    width=12,
    height=10,
)
ANSWERS = Panel(
    id=19,
    title="Time to answer a webhook",
    description="From its whole body to the answer, which comes after the commit.",
    look=lines(),
    unit="s",
    queries=tuple(
        Query(
            quantile(rank, "bridge_webhook_duration_seconds", "$__rate_interval", by="type"),
            f"P{rank * 100:.0f} {{{{type}}}}",
        )
        for rank in (0.5, 0.99)
    ),
    width=6,
)
MEMORY = Panel(
    id=20,
    title="Memory by process",
    description="Resident memory of each web and worker.",
    look=lines(),
    unit="bytes",
    queries=(Query(series("process_resident_memory_bytes"), "{{process}} {{instance}}"),),
    width=12,
)
PROCESSOR = Panel(
    id=21,
    title="Processor by process",
    description="Cores that each web and worker keeps busy. A worker at 1 sends as much as it can.",
    look=lines(),
    unit="none",
    queries=(
        Query(
            f"rate({series('process_cpu_seconds_total')}[$__rate_interval])",
            "{{process}} {{instance}}",
        ),
    ),
    width=12,
)
DASHBOARD = Dashboard(
    uid=UID,
    title=TITLES[UID],
    description="Is the way from an alert to a person open, how fast is it, and which alerts make the noise?",
    rows=(
        Row(
            id=100,
            title="Is the way open?",
            panels=(STORE, WORKER, WAITING, OVERDUE_NOW, DEAD_NOW, INCIDENTS_NOW),
        ),
        Row(id=101, title="Deliveries", panels=(DELIVERIES, LATENCY, FAILURES)),
        Row(id=102, title="Backlog", panels=(BACKLOG, OVERDUE, DEAD, PAUSED)),
        Row(id=103, title="What comes in", panels=(WEBHOOKS, ANSWERS, EVENTS, OPEN)),
        Row(id=104, title="Noise", panels=(NOISE, FIRING_COURSE)),
        Row(id=105, title="Processes", panels=(MEMORY, PROCESSOR)),
    ),
    variables=variables("bridge_store_up"),
    annotations=(ALERTS_EVERYWHERE,),
    since="24h",
)
