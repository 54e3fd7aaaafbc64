"""How a panel draws what it gets: Grafana's panel types, each with the options that differ from the default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

LAST_VALUE: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}
ALL_SERIES: Json = {"mode": "multi", "sort": "desc"}


@dataclass(frozen=True)
class Look:
    """A panel type with its options. `custom` is what Grafana keeps per field and per panel type."""

    type: str
    options: Json
    custom: Json = field(default_factory=dict)
    transformations: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Override:
    """Other properties for the series whose name matches a regular expression (of JavaScript, between slashes)."""

    series: str
    properties: Mapping[str, Any]

    def to_json(self) -> Json:
        properties = [{"id": name, "value": value} for name, value in self.properties.items()]
        return {"matcher": {"id": "byRegexp", "options": self.series}, "properties": properties}


def lines(*, stacked: bool = False, steps: bool = False, bars: bool = False, least: float | None = 0) -> Look:
    """Lines over time. `least`: the axis starts here at the latest; None lets Grafana choose."""
    custom: Json = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 60 if bars else 25 if stacked else 8,
        "lineInterpolation": "stepAfter" if steps else "linear",
        "lineWidth": 1,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "thresholdsStyle": {"mode": "dashed"},
    }
    if least is not None:
        custom["axisSoftMin"] = least
    return Look("timeseries", {"legend": _legend("lastNotNull", "max"), "tooltip": ALL_SERIES}, custom)


def _legend(*calculations: str) -> Json:
    return {"calcs": list(calculations), "displayMode": "table", "placement": "bottom", "showLegend": True}


def stat(*, graph: bool = True) -> Look:
    """One large number, with its course behind it."""
    options: Json = {
        "colorMode": "value",
        "graphMode": "area" if graph else "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": LAST_VALUE,
        "textMode": "auto",
        "wideLayout": True,
    }
    return Look("stat", options)


def heatmap(unit: str) -> Look:
    """Buckets of a Prometheus histogram, counted by Prometheus and not by Grafana; `unit` of their bounds."""
    options: Json = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "exponent": 0.5,
            "fill": "dark-orange",
            "mode": "scheme",
            "reverse": False,
            "scheme": "Oranges",
            "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
    }
    return Look("heatmap", options)


def bar_gauge() -> Look:
    """A bar for each series, the longest first when the query sorts."""
    options: Json = {
        "displayMode": "basic",
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": LAST_VALUE,
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }
    return Look("bargauge", options)


def timeline() -> Look:
    """A band for each series, coloured by its state."""
    options: Json = {
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "auto",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return Look("state-timeline", options, {"fillOpacity": 70, "lineWidth": 0})


def table(columns: Mapping[str, str], sort_by: str) -> Look:
    """A row for each set of labels. `columns` renames labels, and `Value #A` for the first query's value.

    Grafana calls the value of a single query `Value`, and of several `Value #A`, `Value #B`.
    """
    renamed = dict(columns)
    if sum(name.startswith("Value #") for name in columns) == 1:
        renamed["Value"] = columns["Value #A"]
    options: Json = {
        "cellHeight": "sm",
        "showHeader": True,
        "sortBy": [{"desc": True, "displayName": sort_by}],
    }
    organized = {"excludeByName": {"Time": True}, "indexByName": _positions(renamed), "renameByName": renamed}
    shaped: Iterable[Json] = ({"id": "merge", "options": {}}, {"id": "organize", "options": organized})
    return Look("table", options, {"align": "auto", "cellOptions": {"type": "auto"}}, tuple(shaped))


def _positions(columns: Mapping[str, str]) -> dict[str, int]:
    return {name: position for position, name in enumerate(columns)}


def bars_by(label: str, columns: Mapping[str, str]) -> Look:
    """Groups of bars, one group for each value of `label`; `columns` names the bars: {"Value #A": "now"}."""
    options: Json = {
        "barWidth": 0.9,
        "groupWidth": 0.7,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "orientation": "auto",
        "showValue": "never",
        "stacking": "none",
        "tooltip": ALL_SERIES,
        "xField": label,
    }
    joined = {"id": "joinByField", "options": {"byField": label, "mode": "outer"}}
    times = {"Time": True, "Time 1": True, "Time 2": True}  # as joinByField calls the two queries' moments
    organized = {"id": "organize", "options": {"excludeByName": times, "renameByName": dict(columns)}}
    return Look("barchart", options, {"fillOpacity": 70, "lineWidth": 1}, (joined, organized))
