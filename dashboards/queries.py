"""What a panel asks, and whom: Prometheus in PromQL, Cloud Monitoring in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dashboards.looks import Json

PROMETHEUS: Json = {"type": "prometheus", "uid": "${datasource}"}
CLOUD_MONITORING: Json = {"type": "stackdriver", "uid": "${stackdriver_datasource}"}
#: What the variables of every dashboard choose.
CHOSEN = 'namespace=~"$namespace", job=~"$job"'


@dataclass(frozen=True)
class Query:
    """PromQL. `instant`: only the value at the end of the dashboard's time range."""

    expr: str
    legend: str = "__auto"
    instant: bool = False
    format: Literal["time_series", "table", "heatmap"] = "time_series"

    @property
    def datasource(self) -> Json:
        return PROMETHEUS

    def to_json(self, ref: str) -> Json:
        return {
            "datasource": PROMETHEUS,
            "editorMode": "code",
            "expr": self.expr,
            "format": self.format,
            "instant": self.instant,
            "legendFormat": self.legend,
            "range": not self.instant,
            "refId": ref,
        }


def for_table(expr: str) -> Query:
    """The value of each set of labels at the end of the time range, as rows."""
    return Query(expr, instant=True, format="table")


@dataclass(frozen=True)
class CloudQuery:
    """A metric of the pods' containers in Cloud Monitoring, one series a pod.

    An empty project means the data source's own, which GCE authentication reads from the metadata server.
    https://cloud.google.com/monitoring/api/metrics_kubernetes
    """

    metric: str
    aligner: Literal["ALIGN_RATE", "ALIGN_MEAN"]
    container: str = "toxicity-api"
    memory_type: str = ""

    @property
    def datasource(self) -> Json:
        return CLOUD_MONITORING

    def to_json(self, ref: str) -> Json:
        return {
            "aliasBy": "{{resource.label.pod_name}}",
            "datasource": CLOUD_MONITORING,
            "queryType": "timeSeriesList",
            "refId": ref,
            "timeSeriesList": self._series(),
        }

    def _series(self) -> Json:
        return {
            "alignmentPeriod": "cloud-monitoring-auto",
            "crossSeriesReducer": "REDUCE_SUM",
            "filters": self._filters(),
            "groupBys": ["resource.label.pod_name"],
            "perSeriesAligner": self.aligner,
            "projectName": "",
        }

    def _filters(self) -> list[str]:
        filters = ["metric.type", "=", self.metric]
        filters += ["AND", "resource.label.namespace_name", "=~", "$namespace"]
        filters += ["AND", "resource.label.container_name", "=", self.container]
        if self.memory_type:
            filters += ["AND", "metric.label.memory_type", "=", self.memory_type]
        return filters


def series(metric: str, *matchers: str) -> str:
    """The metric's series that the dashboard's variables choose, narrowed by more matchers."""
    return f"{metric}{{{', '.join((*matchers, CHOSEN))}}}"


def rate(metric: str, window: str, *matchers: str, by: str = "namespace, job") -> str:
    """Per second, over all pods: rate first and sum then, so that a restart of one pod is not seen as a fall."""
    return f"sum by ({by}) (rate({series(metric, *matchers)}[{window}]))"


def increase(metric: str, window: str, *matchers: str, by: str = "namespace, job", offset: str = "") -> str:
    """How much it grew in the window, over all pods. `offset`: so long ago."""
    earlier = f" offset {offset}" if offset else ""
    return f"sum by ({by}) (increase({series(metric, *matchers)}[{window}]{earlier}))"


def share(part: str, whole: str) -> str:
    """0 to 1. Where the whole is 0 there is no sample, because 0/0 would be NaN."""
    return f"{part} / ({whole} > 0)"


def quantile(rank: float, histogram: str, window: str, *matchers: str, by: str = "namespace, job") -> str:
    """Over all pods: of the summed buckets, never an average of the pods' quantiles."""
    return f"histogram_quantile({rank}, {rate(f'{histogram}_bucket', window, *matchers, by=f'{by}, le')})"


def mean(histogram: str, window: str, *matchers: str, by: str = "namespace, job") -> str:
    total = rate(f"{histogram}_sum", window, *matchers, by=by)
    return share(total, rate(f"{histogram}_count", window, *matchers, by=by))
