"""A dashboard: panels in rows, laid out from left to right; Grafana's JSON is made here and nowhere else.

Invariant: identifiers are written down, never counted, so that links into a panel outlive its neighbours.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dashboards.frame import Annotation, Variable, links_of
from dashboards.limits import Limit, thresholds
from dashboards.looks import Json, Look, Override
from dashboards.queries import CloudQuery, Query

COLUMNS = 24
MANY_COLOURED = ("timeseries", "barchart")
# Understood by Grafana 10.4 and newer; a newer one brings it up to date when it loads the file.
SCHEMA_VERSION = 39


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel. `width` of 24 columns, `height` in Grafana's rows of 30 pixels.

    `states`: value, text and colour of each; `time_from`: how far it looks back, whatever the dashboard says;
    `least_step`: the shortest distance of two points.
    """

    id: int
    title: str
    description: str
    look: Look
    unit: str
    queries: tuple[Query | CloudQuery, ...]
    limits: tuple[Limit, ...] = ()
    overrides: tuple[Override, ...] = ()
    states: tuple[tuple[float, str, str], ...] = ()
    width: int = 8
    height: int = 8
    time_from: str = ""
    least_step: str = ""
    decimals: int | None = None

    def to_json(self, x: int, y: int) -> Json:
        return self._times() | {
            "datasource": self.queries[0].datasource,
            "description": self.description,
            "fieldConfig": {"defaults": self._defaults(), "overrides": [each.to_json() for each in self.overrides]},
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "id": self.id,
            "links": [limit.runbook for limit in self.limits],
            "options": self.look.options,
            "targets": [query.to_json(string.ascii_uppercase[i]) for i, query in enumerate(self.queries)],
            "title": self.title,
            "transformations": list(self.look.transformations),
            "type": self.look.type,
        }

    def _times(self) -> Json:
        times = {"timeFrom": self.time_from, "interval": self.least_step}
        return {name: value for name, value in times.items() if value}

    def _defaults(self) -> Json:
        optional: Json = {} if self.decimals is None else {"decimals": self.decimals}
        return optional | {
            "color": {"mode": "palette-classic" if self.look.type in MANY_COLOURED else "thresholds"},
            "custom": self.look.custom,
            "mappings": [self._mapping()] if self.states else [],
            "thresholds": thresholds(self.limits),
            "unit": self.unit,
        }

    def _mapping(self) -> Json:
        options = {
            f"{value:g}": {"color": colour, "index": index, "text": text}
            for index, (value, text, colour) in enumerate(self.states)
        }
        return {"options": options, "type": "value"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """Panels under a heading. A collapsed row queries nothing until it is opened."""

    id: int
    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """`since` is how far it looks back when it is opened, as Grafana writes it: 6h, 7d."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...]
    since: str
    refresh: str = "30s"

    def to_json(self) -> Json:
        return {
            "annotations": {"list": [each.to_json() for each in self.annotations]},
            "description": self.description,
            "editable": False,
            "graphTooltip": 1,  # one crosshair through all panels
            "id": None,
            "links": links_of(self.uid),
            "panels": list(_laid_out(self.rows)),
            "refresh": self.refresh,
            "schemaVersion": SCHEMA_VERSION,
            "tags": ["incident-bridge"],
            "templating": {"list": [variable.to_json() for variable in self.variables]},
            "time": {"from": f"now-{self.since}", "to": "now"},
            "timezone": "browser",
            "title": self.title,
            "uid": self.uid,
            "version": 1,
        }


def _laid_out(rows: Sequence[Row]) -> Iterator[Json]:
    y = 0
    for row in rows:
        inside, after = _placed(row.panels, y + 1)
        yield _heading(row, y, inside if row.collapsed else [])
        if not row.collapsed:
            yield from inside
        y = y + 1 if row.collapsed else after


def _heading(row: Row, y: int, inside: list[Json]) -> Json:
    position = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
    head: Json = {"collapsed": row.collapsed, "gridPos": position, "id": row.id, "panels": inside}
    return head | {"title": row.title, "type": "row"}


def _placed(panels: Sequence[Panel], y: int) -> tuple[list[Json], int]:
    """The panels in lines of 24 columns, and the first free line after them."""
    placed, x, tallest = [], 0, 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        placed.append(panel.to_json(x, y))
        x, tallest = x + panel.width, max(tallest, panel.height)
    return placed, y + tallest
