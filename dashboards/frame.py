"""What surrounds the panels: the variables to choose by, the annotations in every graph, the links to elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.limits import RUNBOOKS
from dashboards.looks import Json
from dashboards.queries import CHOSEN, PROMETHEUS

TITLES = {
    "mlops-overview": "MLOps Overview",
    "business-kpis": "Business KPIs",
    "model-health": "Model Health",
    "alert-bridge": "Alert Bridge",
}


@dataclass(frozen=True)
class Variable:
    """A choice at the top of the page. `query` is PromQL's label_values, or the type of a data source."""

    name: str
    label: str
    query: str
    everything: str = ""

    def to_json(self) -> Json:
        return self._of_labels() if self.everything else self._of_data_sources()

    def _of_data_sources(self) -> Json:
        return {
            "current": {},
            "hide": 0,
            "includeAll": False,
            "label": self.label,
            "multi": False,
            "name": self.name,
            "options": [],
            "query": self.query,
            "refresh": 1,
            "regex": "",
            "type": "datasource",
        }

    def _of_labels(self) -> Json:
        return {
            "allValue": self.everything,
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "datasource": PROMETHEUS,
            "definition": self.query,
            "hide": 0,
            "includeAll": True,
            "label": self.label,
            "multi": True,
            "name": self.name,
            "options": [],
            "query": {"qryType": 1, "query": self.query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
            "refresh": 2,  # whenever the time range changes
            "regex": "",
            "sort": 1,
            "type": "query",
        }


DATA_SOURCE = Variable("datasource", "Data source", "prometheus")
CLOUD_DATA_SOURCE = Variable("stackdriver_datasource", "Cloud Monitoring", "stackdriver")


def variables(metric: str) -> tuple[Variable, ...]:
    """Data source, namespace and job, as `metric` knows them.

    A namespace may be missing (`.*` matches that too): on one machine there is none.
    """
    namespace = Variable("namespace", "Namespace", f"label_values({metric}, namespace)", everything=".*")
    job = Variable("job", "Job", f'label_values({metric}{{namespace=~"$namespace"}}, job)', everything=".+")
    return DATA_SOURCE, namespace, job


@dataclass(frozen=True)
class Annotation:
    """Marks in every graph. `at_value`: the value is the moment itself, in milliseconds since the epoch."""

    name: str
    colour: str
    expr: str
    title: str
    text: str
    tags: str
    at_value: bool = False

    def to_json(self) -> Json:
        return {
            "datasource": PROMETHEUS,
            "enable": True,
            "expr": self.expr,
            "hide": False,
            "iconColor": self.colour,
            "name": self.name,
            "step": "60s",
            "tagKeys": self.tags,
            "target": {"expr": self.expr, "interval": "60s", "range": True, "refId": "Anno"},
            "textFormat": self.text,
            "titleFormat": self.title,
            "useValueForTime": self.at_value,
        }


DEPLOYMENTS = Annotation(
    "Model deployments",
    "blue",
    f"min by (namespace, version) (ml_model_loaded_timestamp_seconds{{{CHOSEN}}} > 0) * 1000",
    "Model {{version}} deployed",
    "The first pod in {{namespace}} began to answer with model {{version}}.",
    "version",
    at_value=True,
)
RETRAININGS = Annotation(
    "Retrainings",
    "purple",
    f"max by (namespace, model, trigger) (ml_retraining_last_start_timestamp_seconds{{{CHOSEN}}} > 0) * 1000",
    "Retraining of {{model}} started",
    "Trigger: {{trigger}}.",
    "trigger",
    at_value=True,
)


def _alerts(*matchers: str) -> Annotation:
    chosen = ", ".join(('alertstate="firing"', 'severity=~"critical|warning"', *matchers))
    return Annotation(
        "Alerts",
        "red",
        f"max by (alertname, severity, namespace) (ALERTS{{{chosen}}})",
        "{{alertname}} ({{severity}})",
        "Firing in {{namespace}}.",
        "severity",
    )


ALERTS = _alerts('namespace=~"$namespace"')
# The bridge reports alerts from everywhere, while the variable chooses its own namespace.
ALERTS_EVERYWHERE = _alerts()


def links_of(uid: str) -> list[Json]:
    """To the other dashboards, with what is chosen here, and to the runbooks."""
    others = [_link(title, f"/d/{other}?{_carried(uid, other)}") for other, title in TITLES.items() if other != uid]
    return [*others, {**_link("Runbooks", RUNBOOKS), "keepTime": False, "targetBlank": True, "icon": "doc"}]


def _carried(uid: str, other: str) -> str:
    # The bridge is another job than the model, in a namespace of its own: there only the data source makes sense.
    alike = "alert-bridge" not in (uid, other)
    names = ("datasource", "namespace", "job") if alike else ("datasource",)
    return "&".join(f"${{{name}:queryparam}}" for name in names)


def _link(title: str, url: str) -> Json:
    return {
        "asDropdown": False,
        "icon": "dashboard",
        "includeVars": False,
        "keepTime": True,
        "tags": [],
        "targetBlank": False,
        "title": title,
        "tooltip": "",
        "type": "link",
        "url": url,
    }
