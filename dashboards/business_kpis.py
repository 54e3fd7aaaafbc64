"""Business KPIs: how much is asked, how much of it is toxic, in which languages, and how long users wait."""

from __future__ import annotations

from dashboards import recorded
from dashboards.dashboard import Dashboard, Panel, Row
from dashboards.frame import ALERTS, DEPLOYMENTS, RETRAININGS, TITLES, variables
from dashboards.limits import limits
from dashboards.looks import Override, bar_gauge, lines, stat, table
from dashboards.model_queries import fast_share, mean_response, response
from dashboards.queries import Query, for_table, increase, series, share

UID = "business-kpis"
TOXIC = 'result="toxic"'
BY_LANGUAGE = "ml_predictions_by_language_total"
TOXIC_RATE = Panel(
    id=1,
    title="Toxic rate, 24 hours",
    description="Share of all predictions of the last 24 hours that said toxic.",
    look=stat(graph=False),
    unit="percentunit",
    decimals=1,
    queries=(
        Query(
            share(increase("ml_predictions_total", "24h", TOXIC), increase("ml_predictions_total", "24h")),
            "{{namespace}}",
            instant=True,
        ),
    ),
    width=4,
    height=5,
)
LAST_HOUR = Panel(
    id=2,
    title="Predictions, last hour",
    description="Texts classified in the last 60 minutes.",
    look=stat(graph=False),
    unit="short",
    queries=(Query(increase("ml_predictions_total", "1h"), "{{namespace}}", instant=True),),
    width=4,
    height=5,
)
LAST_DAY = Panel(
    id=3,
    title="Predictions, 24 hours",
    description="Texts classified in the last 24 hours.",
    look=stat(graph=False),
    unit="short",
    queries=(Query(increase("ml_predictions_total", "24h"), "{{namespace}}", instant=True),),
    width=4,
    height=5,
)
MEAN = Panel(
    id=4,
    title="Mean response time, 24 hours",
    description="The average time from a request's arrival at /predict to its answer. A few slow answers pull it up.",
    look=stat(graph=False),
    unit="s",
    queries=(Query(mean_response("24h"), "{{namespace}}", instant=True),),
    width=4,
    height=5,
)
MEDIAN = Panel(
    id=5,
    title="Median response time (P50), 24 hours",
    description="Half of the requests to /predict were answered sooner. A few slow answers do not change it.",
    look=stat(graph=False),
    unit="s",
    queries=(Query(response(0.5, "24h"), "{{namespace}}", instant=True),),
    width=4,
    height=5,
)
SERVICE_LEVEL = Panel(
    id=6,
    title="Inferences within 100 ms, 24 hours",
    description="The service level: 95 % of the inferences take at most 100 ms.",
    look=stat(graph=False),
    unit="percentunit",
    decimals=1,
    queries=(Query(fast_share("24h"), "{{namespace}}", instant=True),),
    limits=limits("MLLatencySLOBurnSlow"),
    width=4,
    height=5,
)
PER_HOUR = Panel(
    id=7,
    title="Predictions per hour",
    description="Texts classified in the hour before each bar.",
    look=lines(stacked=True, bars=True),
    unit="short",
    queries=(Query(increase("ml_predictions_total", "1h", by="result"), "{{result}}"),),
    least_step="1h",
    width=12,
)
DAY_BEFORE = Panel(
    id=8,
    title="Predictions per hour, and a day before",
    description="Is this an ordinary day? The second line is the same hour of the day before.",
    look=lines(),
    unit="short",
    queries=(
        Query(increase("ml_predictions_total", "1h"), "{{namespace}}"),
        Query(increase("ml_predictions_total", "1h", offset="1d"), "a day before {{namespace}}"),
    ),
    overrides=(Override("/^a day before/", {"custom.lineStyle": {"dash": [8, 8], "fill": "dash"}}),),
    width=12,
)
TOP_LANGUAGES = Panel(
    id=9,
    title="Top toxic languages, 24 hours",
    description="Toxic texts by the language that the caller named; und: named none, other: one without a series.",
    look=bar_gauge(),
    unit="short",
    queries=(
        Query(
            f"sort_desc(topk(10, {increase(BY_LANGUAGE, '24h', TOXIC, by='language')}))",
            "{{language}}",
            instant=True,
        ),
    ),
    width=12,
    height=9,
)
LANGUAGES = Panel(
    id=10,
    title="Languages, 24 hours",
    description="How toxic each language is, beside how much of it there is: a high share of few texts says little.",
    look=table(
        {"language": "Language", "Value #A": "Texts", "Value #B": "Toxic", "Value #C": "Toxic share"}, "Toxic share"
    ),
    unit="short",
    queries=(
        for_table(f"{increase(BY_LANGUAGE, '24h', by='language')} > 0"),
        for_table(f"{increase(BY_LANGUAGE, '24h', TOXIC, by='language')} > 0"),
        for_table(
            share(
                increase(BY_LANGUAGE, "24h", TOXIC, by="language"),
                increase(BY_LANGUAGE, "24h", by="language"),
            )
        ),
    ),
    overrides=(Override("/^Toxic share$/", {"unit": "percentunit", "decimals": 1}),),
    width=12,
    height=9,
)
RESPONSE = Panel(
    id=11,
    title="End-to-end response time, mean and P50",
    description="Both from a request's arrival at /predict to its answer. The mean far above the median: a few callers "
    "wait long.",
    look=lines(),
    unit="s",
    queries=(
        Query(mean_response("$__rate_interval"), "mean {{namespace}}"),
        Query(response(0.5, "$__rate_interval"), "P50 {{namespace}}"),
    ),
)
TOXIC_TREND = Panel(
    id=12,
    title="Toxic rate per hour",
    description="Share of the predictions of the hour before each point that said toxic.",
    look=lines(),
    unit="percentunit",
    queries=(
        Query(
            share(increase("ml_predictions_total", "1h", TOXIC), increase("ml_predictions_total", "1h")),
            "{{namespace}}",
        ),
    ),
)
BUDGET = Panel(
    id=13,
    title="Error budget left, 30 days",
    description="Of the 5 % of inferences that may take more than 100 ms. At 0 the service level is missed; a steep "
    "fall is what the burn-rate alerts are about.",
    look=lines(),
    unit="percentunit",
    queries=(Query(f"1 - {series(recorded.SLOW_SHARE)} / 0.05", "{{namespace}}"),),
)
DASHBOARD = Dashboard(
    uid=UID,
    title=TITLES[UID],
    description="How much is asked, how much of it is toxic, in which languages, and how long users wait.",
    rows=(
        Row(id=100, title="At a glance", panels=(TOXIC_RATE, LAST_HOUR, LAST_DAY, MEAN, MEDIAN, SERVICE_LEVEL)),
        Row(id=101, title="Volume", panels=(PER_HOUR, DAY_BEFORE)),
        Row(id=102, title="Languages", panels=(TOP_LANGUAGES, LANGUAGES)),
        Row(id=103, title="Course", panels=(RESPONSE, TOXIC_TREND, BUDGET)),
    ),
    variables=variables("ml_model_status"),
    annotations=(DEPLOYMENTS, RETRAININGS, ALERTS),
    since="24h",
    refresh="5m",
)
