"""The generated JSON, and its queries as Grafana would send them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "docker" / "grafana"
FOLDER = GRAFANA / "dashboards"
UIDS = ("mlops-overview", "business-kpis", "model-health", "alert-bridge")
# As Grafana replaces them for a range of one day, one point a minute, scraped every 30 s, with "All" chosen.
SUBSTITUTES = {
    "$__rate_interval": "2m",
    "$__range": "24h",
    "$__interval": "1m",
    "$namespace": ".*",
    "$job": ".+",
}
VARIABLE = re.compile(r"\$(?:__)?[a-z_]+|\$\{[^}]*\}")


@cache
def dashboard(uid: str) -> Json:
    document: Json = json.loads((FOLDER / f"{uid}.json").read_text(encoding="utf-8"))
    return document


def panels(document: Json) -> list[Json]:
    """All panels that draw something, also in collapsed rows."""
    inside = [panel for row in document["panels"] for panel in row.get("panels", [])]
    return [panel for panel in [*document["panels"], *inside] if panel["type"] != "row"]


@dataclass(frozen=True)
class PanelQuery:
    """PromQL from a dashboard; `where` names the panel."""

    where: str
    written: str
    instant: bool = False
    legend: str = ""
    panel_type: str = ""

    @property
    def expr(self) -> str:
        """As Prometheus receives it."""
        expr = self.written
        for name, value in SUBSTITUTES.items():
            expr = expr.replace(name, value)
        left = VARIABLE.findall(re.sub(r'"\$1"', "", expr))
        assert not left, f"{self.where}: Grafana does not replace {left} in {self.written}"
        return expr

    @property
    def legend_labels(self) -> set[str]:
        return set(re.findall(r"{{(\w+)}}", self.legend))


def of_panels() -> Iterator[PanelQuery]:
    for uid in UIDS:
        for panel in panels(dashboard(uid)):
            yield from _of_panel(uid, panel)


def _of_panel(uid: str, panel: Json) -> Iterator[PanelQuery]:
    for target in panel["targets"]:
        if "expr" in target:
            where = f"{uid}: {panel['title']}, {target['refId']}"
            yield PanelQuery(where, target["expr"], target["instant"], target["legendFormat"], panel["type"])


def of_annotations() -> Iterator[PanelQuery]:
    for uid in UIDS:
        for annotation in dashboard(uid)["annotations"]["list"]:
            legend = annotation["titleFormat"] + annotation["textFormat"]
            yield PanelQuery(f"{uid}: annotation {annotation['name']}", annotation["expr"], legend=legend)


def all_queries() -> list[PanelQuery]:
    return [*of_panels(), *of_annotations()]


def label_values(uid: str) -> dict[str, tuple[str, str]]:
    """Variable -> (selector, label) of its label_values."""
    found = {}
    for variable in dashboard(uid)["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert match, f"{uid}: {variable['name']} is no label_values"
            found[variable["name"]] = (PanelQuery(uid, match[1]).expr, match[2])
    return found
