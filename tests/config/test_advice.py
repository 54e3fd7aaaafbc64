"""`bridge check` reports mistakes that would otherwise show at 3 a.m.: each once, with its place and advice."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.app.settings import load, load_text
from bridge.channels import CHANNEL_TYPES
from bridge.config import ConfigurationFaults
from bridge.config.advice import Advice, advise
from tests.config.examples import BOT, GOOD, KEY, NOW, ROOT

SMALL = """channels:
  slack-ml: {type: slack, token: "${BOT}", channel: C012ABCDEF}
  pagerduty-ml: {type: pagerduty, routing_key: "${KEY}"}
  email-ml: {type: email, smarthost: "smtp.ml.dev:587", from: b@ml.dev, to: [ml@ml.dev]}
route:
  notify: [slack-ml, pagerduty-ml, email-ml]
"""


def advice_for(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Advice:
    """Given the faults of the file itself, as the command does it."""
    file = tmp_path / "routes.yaml"
    file.write_text(text)
    environ = {**GOOD, **(environ or {})}
    try:
        load(file, environ)
    except ConfigurationFaults as found:
        return advise(file, environ, NOW, CHANNEL_TYPES, found.faults)
    return advise(file, environ, NOW, CHANNEL_TYPES)


def only_finding(advice: Advice) -> tuple[str, str]:
    """The kind and the text of the only fault or warning."""
    findings = [*(("fault", fault) for fault in advice.faults), *(("warning", each) for each in advice.warnings)]
    assert len(findings) == 1, [f"{kind} {fault}" for kind, fault in findings]
    ((kind, fault),) = findings
    assert fault.hint, "it says what to write"
    return kind, f"{fault.line}: {fault}"


def test_a_valid_file_gets_no_advice(tmp_path: Path) -> None:
    assert advice_for(tmp_path, SMALL) == Advice()


@pytest.mark.parametrize(
    "file", ["routes.yaml", "k8s/base/config/routes.yaml", "k8s/components/gke/config/routes.yaml"]
)
def test_the_shipped_files_get_no_advice(file: str) -> None:
    names = ("ALERTMANAGER_TOKEN", "BRIDGE_PASSWORD_HASH", "CLOUD_MONITORING_PASSWORD")
    secrets = dict.fromkeys(names, "scrypt:1:1:1$ab$00")
    secrets["GOLDEN_TEXTS"] = str(ROOT / "bert_api" / "golden.csv")  # the manifests' is in the image
    environ = {**secrets, "PAGERDUTY_ROUTING_KEY": KEY, "SLACK_BOT_TOKEN": BOT}
    assert advise(ROOT / file, environ, NOW, CHANNEL_TYPES) == Advice()


TOKENS = [
    ("xoxp-1-2", "warning", "a user's token"),
    ("xapp-1-A0-1-x", "fault", "an app-level token, which cannot post"),
    ("xoxe-1-x", "fault", "a refresh token"),
    ("xoxe.xoxb-1-x", "warning", "ends after 12 hours"),
    ("xoxs-1", "warning", "no bot token"),
    ("sk-1234", "warning", "no token of Slack's"),
    ("https://hooks.slack.com/services/T0/B0/x", "fault", "a URL is no token"),
    ('"xoxb-1-2"', "fault", "quotes around the secret"),
    ("Bearer xoxb-1-2", "fault", "a space in the secret"),
]


@pytest.mark.parametrize(("token", "kind", "words"), TOKENS)
def test_a_slack_token_of_another_kind_is_reported(tmp_path: Path, token: str, kind: str, words: str) -> None:
    found, text = only_finding(advice_for(tmp_path, SMALL, {"BOT": token}))
    assert (found, text.startswith("2: channels.slack-ml.token: ") and words in text) == (kind, True)
    assert token not in text


@pytest.mark.parametrize(
    ("key", "kind", "words"),
    [
        ("abc123", "warning", "it has 6 characters, and PagerDuty's have 32"),
        ("y_NbAkKc66ryYTWUXYEu", "warning", "20 characters"),
        ("0123456789abcdef-0123456789abcde", "warning", "neither letters nor digits"),
        ("R" + KEY[1:], "warning", "takes no change events"),
        ("https://events.pagerduty.com/v2/enqueue", "fault", "a URL is no routing_key"),
        (f"'{KEY}'", "fault", "quotes around"),
    ],
)
def test_a_routing_key_of_another_kind_is_reported(tmp_path: Path, key: str, kind: str, words: str) -> None:
    found, text = only_finding(advice_for(tmp_path, SMALL, {"KEY": key}))
    assert (found, text.startswith("3: channels.pagerduty-ml.routing_key: ") and words in text) == (kind, True)
    assert key not in text


def test_the_key_of_an_orchestration_is_valid_without_change_events(tmp_path: Path) -> None:
    text = SMALL.replace("type: pagerduty,", "type: pagerduty, change_events: false,")
    assert advice_for(tmp_path, text, {"KEY": "R" + KEY[1:]}) == Advice()


def test_a_routing_key_in_a_file_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short\n")
    _, text = only_finding(advice_for(tmp_path, SMALL.replace('routing_key: "${KEY}"', "routing_key_file: key")))
    assert "it has 5 characters" in text


def routed(*lines: str) -> str:
    """Routes below the root, from line 8 on."""
    return SMALL + "  routes:\n" + "".join(f"    - {line}\n" for line in lines)


MATCHERS = [
    ("team='search'", "the ' are part of the value", 'write team="search"'),
    ("team=`search`", "the ` are part of the value", 'write team="search"'),
    ("team=\u201csearch\u201d", "the \u201c \u201d are part of the value", 'write team="search"'),
    ("team=\u2018search\u2019", "the \u2018 \u2019 are part of the value", 'write team="search"'),
    ("team==search", "begins with =", 'such as team="search"'),
    ("team=~~a", "begins with ~", 'such as team="a"'),
    ("team=ml and env=prod", "all of it is one value", "put a comma"),
    ("team=ml env=prod", "all of it is one value", "put a comma"),
    ('{team="ml"', "a brace at one end only", 'write {team="ml"}'),
    ("a=~x{2}", "a brace at one end only", '"double quotes"'),
    ('team="ml "', "a space at an end", "remove it"),
    ('team="ml|data"', "compares the text as it stands", 'write team=~"ml|data"'),
    ('team!=".*test"', "compares the text as it stands", 'write team!~".*test"'),
    ('team="^ml$"', "compares the text as it stands", 'write team=~"ml"'),
    ('team=~".*"', "holds for every alert", 'write team=~".+"'),
    (r'team="a\tb"', "are escapes here", '"team"='),
    ("", "says nothing, and holds for every alert", "write a matcher"),
    ('severity="Critical"', "'Critical' is no severity", 'write severity="critical"'),
    ('severity="warn"', "'warn' is no severity", 'write severity="warning"'),
    ('severity!="CRITICAL"', "'CRITICAL' is no severity", 'write severity!="critical"'),
    ('severity="disaster"', "'disaster' is no severity", 'write severity="critical"'),
    ('severity="zzz"', "'zzz' is no severity", "known are critical, warning, unknown, info, none, page"),
]


@pytest.mark.parametrize(("matcher", "words", "hint"), MATCHERS)
def test_a_matcher_that_looks_like_another_is_a_warning(tmp_path: Path, matcher: str, words: str, hint: str) -> None:
    quoted = "'" + matcher.replace("'", "''") + "'"
    text = SMALL + f"  routes:\n    - notify: [slack-ml]\n      matchers: [{quoted}]\n"
    kind, text = only_finding(advice_for(tmp_path, text))
    assert (kind, text.startswith("9: route.routes[0].matchers[0]: ")) == ("warning", True)
    assert words in text and hint in text


@pytest.mark.parametrize(
    "matcher",
    [
        'severity="critical"', 'severity=~"critical|Warning"', 'severity=~".+"', 'severity!~"info|none"', "a=",
        'team=~"ml|data"', 'team="a-b c"', '{a="b",c!~"d.*"}', '"größe"="x"', r'path=~"/api/v\\d+"', 'a!=""',
    ],
)  # fmt: skip
def test_a_valid_matcher_gets_no_advice(tmp_path: Path, matcher: str) -> None:
    assert advice_for(tmp_path, routed(f"{{matchers: ['{matcher}'], notify: [slack-ml]}}")) == Advice()


@pytest.mark.parametrize(
    ("lines", "place", "words"),
    [
        (
            ["{matchers: [severity=critical, severity=warning]}"],
            "8: route.routes[0].matchers[1]",
            'never holds together with severity="critical" in the same list; all must hold; for either of them write '
            'severity=~"critical|warning"',
        ),
        (["{matchers: ['{team=a,team!=a}']}"], "8: route.routes[0].matchers[0]", "remove one of the two"),
        (
            ["{matchers: [team=a], routes: [{matchers: ['team=~\"b|c\"']}]}"],
            "8: route.routes[0].routes[0].matchers[0]",
            "above it, in route.routes[0].matchers[0]",
        ),
        (["{matchers: ['severity=\"page\"']}"], "8: route.routes[0].matchers[0]", 'write severity="critical"'),
        (["{matchers: [a=b], fallback: [slack-ml]}"], "8: route.routes[0].fallback", "is notified anyway"),
        (
            ["{matchers: [a=b], notify: [email-ml], fallback: [email-ml]}"],
            "8: route.routes[0].fallback",
            "is notified anyway",
        ),
    ],
)
def test_a_route_that_can_never_match_is_a_fault(tmp_path: Path, lines: list[str], place: str, words: str) -> None:
    kind, text = only_finding(advice_for(tmp_path, routed(*lines)))
    assert (kind, text.startswith(place) and words in text) == ("fault", True), text


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (
            routed("{matchers: [a=b], notify: [slack-ml, slack-ml]}"),
            "8: route.routes[0].notify[1]",
            "in the list already",
        ),
        (
            routed("{matchers: [a=b], escalate: [{after: 5m, notify: [slack-ml]}]}"),
            "8: route.routes[0].escalate[0].notify",
            "notified from the start",
        ),
        (
            routed("{matchers: [a=b], notify: [slack-ml], escalate: [{after: 0s, notify: [email-ml]}]}"),
            "8: route.routes[0].escalate[0].after",
            "a step at once",
        ),
        (
            SMALL.replace("[ml@ml.dev]", "[ml@ml.dev, 'ML <ML@ml.dev>']"),
            "4: channels.email-ml.to[1]",
            "is there already",
        ),
        (SMALL.replace("[ml@ml.dev]", "[ml@example.org]"), "4: channels.email-ml.to[0]", "reaches no one"),
        (SMALL + "retention: 90m\n", "7: retention", "deleted within a day"),
        (SMALL + "limits: {body: 8kB}\n", "7: limits.body", "that storm lost"),
        (SMALL + "external_url: http://127.0.0.1:9119\n", "7: external_url", "lead to this machine only"),
        (
            SMALL.replace("type: email,", "type: email, timeout: 10ms,"),
            "4: channels.email-ml.timeout",
            "no vendor answers",
        ),
        (SMALL.replace("type: email,", "type: email, rate: 1/h,"), "4: channels.email-ml.rate", "wait for minutes"),
        (SMALL + "context: {prometheus: {url: 'http://p'}, budget: 1m}\n", "7: context.budget", "a page too"),
        (
            SMALL + "heartbeats: [{name: h, matchers: [alertname=Watchdog], every: 5s}]\n",
            "7: heartbeats[0].every",
            "missing often",
        ),
        (
            SMALL + "incidents: {severity_aliases: {critical: info}}\n",
            "7: incidents.severity_aliases.critical",
            "would be read as info",
        ),
        (
            SMALL + "time_intervals: [{name: nights, time_intervals: [{weekdays: [sunday]}]}]\n",
            "7: time_intervals[0].name",
            "no route uses the time interval 'nights'",
        ),
        (
            routed("{matchers: [a=b], mute_time_intervals: [old]}")
            + "time_intervals: [{name: old, time_intervals: [{years: [2020]}]}]\n",
            "8: route.routes[0].mute_time_intervals",
            "never mute",
        ),
        (
            SMALL + "heartbeats: [{name: h, matchers: [severity=none], every: 5m}]\n",
            "7: heartbeats[0].matchers",
            "alerts of any name match",
        ),
        (
            SMALL.replace("  email-ml:", '  two: {type: pagerduty, routing_key: "${KEY}"}\n  email-ml:').replace(
                "notify: [", "notify: [two, "
            ),
            "4: channels.two.routing_key",
            "the same key as pagerduty-ml",
        ),
        (
            SMALL.replace("  email-ml:", '  two: {type: slack, token: "${BOT}", channel: C012ABCDEF}\n  email-ml:'),
            "4: channels.two.channel",
            "the same place in Slack as slack-ml",
        ),
    ],
)
def test_a_setting_that_may_be_intended_is_a_warning(tmp_path: Path, text: str, place: str, words: str) -> None:
    kind, text = only_finding(advice_for(tmp_path, text))
    assert (kind, text.startswith(place) and words in text) == ("warning", True), text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("'#ML Alerts'", "is no name that Slack gives a channel"),
        ("ml.alerts", "is no name that Slack gives"),
        ("https://ml.slack.com/archives/C012ABCDEF", "write the id in it: C012ABCDEF"),
    ],
)
def test_a_channel_that_cannot_exist_in_slack_is_a_fault(tmp_path: Path, name: str, words: str) -> None:
    kind, text = only_finding(advice_for(tmp_path, SMALL.replace("C012ABCDEF}", f"{name}}}")))
    assert (kind, text.startswith("2: channels.slack-ml.channel: ") and words in text) == ("fault", True)


@pytest.mark.parametrize("name", ["'#ml-alerts'", "ml_alerts", "G012ABCDEF", "D012ABCDEF", "U012ABCDEF", "'#größe'"])
def test_a_channel_that_may_exist_in_slack_gets_no_advice(tmp_path: Path, name: str) -> None:
    assert advice_for(tmp_path, SMALL.replace("C012ABCDEF}", f"{name}}}")) == Advice()


NEVER = ["{years: [2020]}", "{months: [2], days_of_month: [30]}", "{months: [february], days_of_month: [31]}"]


@pytest.mark.parametrize("interval", NEVER)
def test_a_route_muted_for_ever_is_a_fault(tmp_path: Path, interval: str) -> None:
    text = routed("{matchers: [a=b], active_time_intervals: [old]}")
    text += f"time_intervals: [{{name: old, time_intervals: [{interval}]}}]\n"
    kind, text = only_finding(advice_for(tmp_path, text))
    assert kind == "fault"
    assert text.startswith("8: route.routes[0].active_time_intervals: ") and "mute for ever" in text


def test_a_heartbeat_that_matches_nearly_every_alert_is_a_fault(tmp_path: Path) -> None:
    kind, text = only_finding(
        advice_for(tmp_path, SMALL + "heartbeats: [{name: h, matchers: ['severity!=none'], every: 5m}]\n")
    )
    assert (kind, "open no incident" in text and 'alertname="Watchdog"' in text) == ("fault", True)


CONTEXT = """context:
  prometheus: {{url: "http://p:9090"}}
  questions:
    - {{name: q, title: Q, unit: count, expr: {expr}}}
"""


def question(expr: str) -> str:
    return SMALL + CONTEXT.format(expr="'" + expr.replace("'", "''") + "'")


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("sum(rate(x[5m])", "unclosed left parenthesis"),
        ("sum(x))", "unexpected right parenthesis"),
        ("x{{{ labels }}", "unexpected end of input inside braces"),
        ('x{a="b', "unterminated quoted string"),
        ("rate(x)", "expected type matrix"),
        ("a b", "invalid promql query"),
        ("rate(x[5min])", "bad number or duration"),
        ("max_over_time(x[{{ duration }})", "inside brackets"),
        ("x[5m]", "a range, such as x[5m], is no number"),
        ('"text"', "text is no number"),
        ("label_replace(up, 'a', 'b', 'c')", "expected 5 argument"),
        ("sum by (a (x))", "invalid promql query"),
        ("(" * 2000 + "1" + ")" * 2000, "too deep"),
        ('x{a=~"("}', "illegal regex"),
        ("# only a comment", "no expression"),
    ],
)
def test_invalid_promql_is_a_fault(tmp_path: Path, expr: str, words: str) -> None:
    kind, text = only_finding(advice_for(tmp_path, question(expr)))
    assert (kind, text.startswith("10: context.questions[0].expr: this is no PromQL: ")) == ("fault", True), text
    assert words in text


@pytest.mark.parametrize(
    "expr", ["next_years_function(x)", "rate(x[5m] smoothed)", "rate(x[5m + 1m])", "x > 1_000", "x default 0"]
)
def test_promql_that_the_parser_does_not_know_is_a_warning(tmp_path: Path, expr: str) -> None:
    kind, text = only_finding(advice_for(tmp_path, question(expr)))
    assert (
        kind,
        "this PromQL is not known: " in text and "right if your Prometheus takes it" in text,
    ) == ("warning", True)


def test_promql_that_is_invalid_without_labels_is_a_warning(tmp_path: Path) -> None:
    kind, text = only_finding(advice_for(tmp_path, question("sum({{{ labels }}})")))
    assert (kind, "for alerts that share none of namespace, job this is no PromQL" in text) == ("warning", True)


@pytest.mark.parametrize(
    "expr",
    [
        "sum(rate(x{{{ labels }}}[5m]))", 'x{pod="{{ labels.pod }}", {{ labels }}}', "max_over_time(x[{{ duration }}])",
        '{"my.metric", {{ labels }}}', "histogram_quantile(0.9, sum by (le) (x)) # p90", "x and on (a) y", "5",
        "avg_over_time(x[1d] offset 1h)", "max_over_time(sum(x)[{{ duration }}:1m])", "limitk(3, x)", "info(x)",
    ],
)  # fmt: skip
def test_valid_promql_gets_no_advice(tmp_path: Path, expr: str) -> None:
    assert advice_for(tmp_path, question(expr)) == Advice()


def test_every_expression_is_checked(tmp_path: Path) -> None:
    entry = "{name: q, title: Q, unit: count, expr: 'a(', usual: 'b(', of: 'c('}"
    drawn = "{title: D, unit: count, now: 'd(', baseline: 'e('}"
    text = SMALL + f"context:\n  prometheus: {{url: 'http://p'}}\n  questions: [{entry}]\n  distributions: [{drawn}]\n"
    paths = [
        "questions[0].expr",
        "questions[0].of",
        "questions[0].usual",
        "distributions[0].baseline",
        "distributions[0].now",
    ]
    assert sorted(fault.path for fault in advice_for(tmp_path, text).faults) == sorted(
        f"context.{path}" for path in paths
    )


def test_each_mistake_is_reported_once(tmp_path: Path) -> None:
    """A fault for which the file is refused is not repeated as advice."""
    for text in (
        routed("{matchers: ['a'], notify: [slack-ml]}"),
        question("x{ {{ label }} }"),
        SMALL.replace("${BOT}", "xoxp-written-here"),
        SMALL.replace("[ml@ml.dev]", "[ml@ml.dev, x]"),
        "- no mapping\n",
    ):
        assert advice_for(tmp_path, text) == Advice()


def test_data_of_any_shape_raises_nothing(tmp_path: Path) -> None:
    shapes = ("5", "x", "[]", "{}", "[5]", "[[]]", "{a: 5}", "[{}]", "null")
    keys = ("channels", "route", "time_intervals", "heartbeats", "context", "incidents", "limits", "external_url")
    for key in keys:
        for shape in shapes:
            advice_for(tmp_path, f"{key}: {shape}\nroute: {{routes: {shape}, notify: {shape}, escalate: {shape}}}\n")
            advice_for(
                tmp_path, f"{key}: {{questions: {shape}, flapping: {shape}, a: {shape}, severity_aliases: {shape}}}\n"
            )


WEBHOOK = SMALL.replace("route:\n", '  hook: {type: webhook, url: "https://hook.ml.dev/x"%s}\nroute:\n', 1).replace(
    "email-ml]", "email-ml, hook]"
)


@pytest.mark.parametrize(
    ("keys", "secret", "words"),
    [
        (
            "",
            "",
            "5: channels.hook: hook signs nothing, so its receiver cannot tell the bridge from others",
        ),
        (
            ', secret: "${S}"',
            "2short4u",
            "5: channels.hook.secret: is shorter than 16 characters; make one with: openssl",
        ),
        (', secret: "${S}"', f"'{KEY}'", "5: channels.hook.secret: there are quotes around the secret"),
    ],
)
def test_a_webhook_with_a_weak_signature_is_a_warning(tmp_path: Path, keys: str, secret: str, words: str) -> None:
    kind, text = only_finding(advice_for(tmp_path, WEBHOOK % keys, {"S": secret} if secret else None))
    assert kind == "warning"
    assert text.startswith(words)
    assert not secret or secret not in text


def test_a_webhook_with_a_strong_signature_gets_no_advice(tmp_path: Path) -> None:
    assert advice_for(tmp_path, WEBHOOK % ', secret: "${S}", token: "${OTHER}"', {"S": KEY}) == Advice()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hook.ml.dev/x", "what is posted to hook.ml.dev travels unencrypted"),
        ("http://127.0.0.1:8080/x", ""),
        ("http://127.0.0.1:9119/webhook/alertmanager/prod", "posts the bridge's incidents to the bridge itself"),
        ("http://[::1]:8080/x", ""),
        ("https://hook.ml.dev/x?team=ml", ""),
    ],
)
def test_a_webhook_to_a_questionable_url_is_a_warning(url: str, words: str) -> None:
    settings = load_text(
        "external_url: http://127.0.0.1:9119\n"
        + (WEBHOOK % ', secret: "${OTHER}"').replace("https://hook.ml.dev/x", url),
        GOOD,
    )
    assert len(settings.warnings) == (1 if words else 0)
    assert all(words in str(each) for each in settings.warnings)
