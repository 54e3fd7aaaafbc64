"""The rules of Grafana's dashboard-linter, and some of our own, as assertions on the generated JSON.

https://github.com/grafana/dashboard-linter/tree/main/docs; what is left out is said where it would be.
"""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest

from dashboards.limits import RUNBOOKS
from tests.dashboards.dashboard_reading import FOLDER, UIDS, Json, dashboard, panels

UNITS = {"none", "short", "percentunit", "s", "ops", "bytes", "dateTimeAsIso", "dtdurations"}
# A panel with an alert's limit measures over the alert's window, or its line would cross the limit while the alert is
# silent. The others here say their window in their title.
FIXED_WINDOWS = {
    "mlops-overview": {
        "Error rate",
        "Inference P95",
        "Toxic rate",
        "Predictions per class (5 min rate)",
        "Inference P50, P95, P99",
        "HTTP P50 and P99",
    },
    "business-kpis": {
        "Toxic rate, 24 hours",
        "Predictions, last hour",
        "Predictions, 24 hours",
        "Mean response time, 24 hours",
        "Median response time (P50), 24 hours",
        "Inferences within 100 ms, 24 hours",
        "Predictions per hour",
        "Predictions per hour, and a day before",
        "Top toxic languages, 24 hours",
        "Languages, 24 hours",
        "Toxic rate per hour",
    },
    "model-health": {"Retrainings that ended, per hour"},
    "alert-bridge": set(),
}
each_dashboard = pytest.mark.parametrize("uid", UIDS)
each_panel = pytest.mark.parametrize(
    ("uid", "panel"),
    [pytest.param(uid, panel, id=f"{uid}: {panel['title']}") for uid in UIDS for panel in panels(dashboard(uid))],
)


def test_every_dashboard_exists_under_its_uid() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(UIDS)
    assert all(dashboard(uid)["uid"] == uid for uid in UIDS)
    assert len({dashboard(uid)["title"] for uid in UIDS}) == len(UIDS)


@each_dashboard
def test_a_dashboard_is_read_only_in_the_browser(uid: str) -> None:
    assert dashboard(uid)["editable"] is False


@each_dashboard
def test_data_source_namespace_and_job_are_variables(uid: str) -> None:
    """template-datasource, -job, -label-promql, -on-time-change-reload.

    Left out: template-instance and target-instance. Dashboards show the model as a fleet, and a pod's name says more.
    """
    variables = {variable["name"]: variable for variable in dashboard(uid)["templating"]["list"]}
    assert list(variables)[:3] == ["datasource", "namespace", "job"]
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    for name, everything in (("namespace", ".*"), ("job", ".+")):
        variable = variables[name]
        assert variable["label"] and variable["multi"] and variable["includeAll"]
        assert variable["allValue"] == everything  # a namespace may be missing, a job never is
        assert variable["refresh"] == 2  # again whenever the time range changes
        assert variable["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@each_dashboard
def test_every_identifier_is_unique(uid: str) -> None:
    everything = [*panels(dashboard(uid)), *(each for each in dashboard(uid)["panels"] if each["type"] == "row")]
    ids = [panel["id"] for panel in everything]
    assert len(ids) == len(set(ids))
    assert all(isinstance(each, int) and each > 0 for each in ids)
    titles = [panel["title"] for panel in everything]
    assert len(titles) == len(set(titles))


@each_dashboard
def test_no_panel_overlaps_another(uid: str) -> None:
    document = dashboard(uid)
    shown = [each["gridPos"] for each in document["panels"]]
    for group in [shown, *([panel["gridPos"] for panel in row.get("panels", [])] for row in document["panels"])]:
        assert all(place["x"] >= 0 and place["w"] > 0 and place["x"] + place["w"] <= 24 for place in group)
        assert not [pair for pair in combinations(group, 2) if _overlap(*pair)]


def _overlap(one: Json, other: Json) -> bool:
    def crossing(start: str, size: str) -> bool:
        return bool(one[start] < other[start] + other[size] and other[start] < one[start] + one[size])

    return crossing("x", "w") and crossing("y", "h")


@each_dashboard
def test_every_row_of_panels_is_full(uid: str) -> None:
    """A gap at the end of a row is a missing panel."""
    lines: dict[int, int] = {}
    for panel in panels(dashboard(uid)):
        lines[panel["gridPos"]["y"]] = lines.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(lines.values()) == {24}


@each_panel
def test_a_panel_has_a_description_and_a_unit(uid: str, panel: Json) -> None:
    """panel-title-description, panel-units."""
    assert panel["title"].strip() == panel["title"] != ""
    assert panel["description"].endswith(".") and len(panel["description"]) > 20
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    overridden = [each for override in panel["fieldConfig"]["overrides"] for each in override["properties"]]
    assert {each["value"] for each in overridden if each["id"] == "unit"} <= UNITS


@each_panel
def test_a_panel_queries_the_chosen_data_source(uid: str, panel: Json) -> None:
    """panel-datasource, panel-no-targets."""
    assert panel["targets"]
    offered = {
        (variable["query"], f"${{{variable['name']}}}")
        for variable in dashboard(uid)["templating"]["list"]
        if variable["type"] == "datasource"
    }
    for asking in (panel, *panel["targets"]):
        assert (asking["datasource"]["type"], asking["datasource"]["uid"]) in offered
    references = [target["refId"] for target in panel["targets"]]
    assert len(references) == len(set(references))


@each_panel
def test_every_query_is_limited_to_the_chosen_namespace_and_job(uid: str, panel: Json) -> None:
    """target-job. Left out: ALERTS. They are the bridge's business wherever they come from, and some have no job."""
    for target in panel["targets"]:
        for selector in re.findall(r"([a-z_:0-9]+)\{([^}]*)\}", target.get("expr", "")):
            assert selector[1].endswith('namespace=~"$namespace", job=~"$job"'), f"{selector} in {target['expr']}"


@each_panel
def test_the_window_of_a_rate_contains_enough_samples(uid: str, panel: Json) -> None:
    """target-rate-interval. Left out: the panels of FIXED_WINDOWS, for the reason given there."""
    windows = {
        window for target in panel["targets"] for window in re.findall(r"\[([^\]:]+)[\]:]", target.get("expr", ""))
    }
    fixed = windows - {"$__rate_interval", "$__range"}
    assert bool(fixed) == (panel["title"] in FIXED_WINDOWS[uid]), windows


@each_panel
def test_heatmaps_get_buckets_and_tables_get_rows(uid: str, panel: Json) -> None:
    wanted = {"heatmap": "heatmap", "table": "table", "barchart": "table"}.get(panel["type"], "time_series")
    for target in panel["targets"]:
        if "expr" in target:
            assert target["format"] == wanted
            assert target["instant"] == (wanted == "table" or target["instant"])
            assert target["range"] is not target["instant"]


@each_dashboard
def test_the_graphs_are_annotated_with_events(uid: str) -> None:
    annotations = {each["name"]: each for each in dashboard(uid)["annotations"]["list"]}
    assert 'alertstate="firing"' in annotations["Alerts"]["expr"]
    assert all(each["datasource"]["uid"] == "${datasource}" and each["enable"] for each in annotations.values())
    if uid != "alert-bridge":
        for name in ("Model deployments", "Retrainings"):
            assert annotations[name]["useValueForTime"] is True
            assert annotations[name]["expr"].endswith("* 1000"), "Grafana counts in milliseconds, Prometheus in seconds"


@each_dashboard
def test_a_dashboard_links_to_every_other_one_and_to_the_runbooks(uid: str) -> None:
    urls = [link["url"] for link in dashboard(uid)["links"]]
    assert {match[1] for url in urls if (match := re.match(r"/d/([a-z-]+)", url))} == set(UIDS) - {uid}
    assert [url for url in urls if not url.startswith("/")] == [RUNBOOKS]
    names = {variable["name"] for variable in dashboard(uid)["templating"]["list"]}
    assert {name for url in urls for name in re.findall(r"\$\{(\w+):queryparam\}", url)} <= names


def test_cloud_monitoring_is_queried_only_in_a_collapsed_row() -> None:
    inside: list[Json] = []
    for row in dashboard("mlops-overview")["panels"]:
        asked = [panel["datasource"]["type"] for panel in row.get("panels", [])]
        if row["type"] == "row" and "stackdriver" in asked:
            assert row["collapsed"] and set(asked) == {"stackdriver"}
            inside += row["panels"]
        assert row.get("datasource", {}).get("type") != "stackdriver"
    asked_for = [_cloud_metric(panel) for panel in inside]
    assert asked_for == [
        ("kubernetes.io/container/cpu/core_usage_time", "ALIGN_RATE"),  # a counter of seconds: its rate is cores
        ("kubernetes.io/container/memory/used_bytes", "ALIGN_MEAN"),
        ("kubernetes.io/container/memory/limit_utilization", "ALIGN_MEAN"),
    ]


def _cloud_metric(panel: Json) -> tuple[Any, Any]:
    (target,) = panel["targets"]
    series = target["timeSeriesList"]
    assert series["groupBys"] == ["resource.label.pod_name"]
    assert len(series["filters"]) % 4 == 3, "key, operator and value, with AND between them"
    # evictable and non-evictable memory are two series of one container: one must be chosen
    assert ("memory" in series["filters"][2]) == ("metric.label.memory_type" in series["filters"])
    return series["filters"][2], series["perSeriesAligner"]
