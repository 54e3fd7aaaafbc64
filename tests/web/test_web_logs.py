"""Log lines: one JSON object each, or a line to read; without secrets, and nothing sent to us can forge one."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import structlog

from bridge.observability import logs
from bridge.observability.log_lines import chosen, glimpsed

Lines = Callable[[], list[dict[str, Any]]]
SECRET = 'top"s€cret/\\'


class Stderr(io.StringIO):
    """In the place of stderr from its first use on: pytest puts its own there between a fixture and the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.monkeypatch = monkeypatch

    def configure(self, level: str, secrets: frozenset[str] = frozenset(), style: str = "json") -> None:
        self.monkeypatch.setattr(sys, "stderr", self)
        logs.configure(level, secrets, style)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stderr]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    yield Stderr(monkeypatch)
    root.handlers = before
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines(stderr: Stderr) -> Lines:
    stderr.configure("info", frozenset({SECRET, "tok"}))
    return stderr.lines


def test_an_event_is_one_line_of_json(lines: Lines) -> None:
    logs.get("bridge").info("stored\nwell", incident=7)
    (line,) = lines()
    assert (line["event"], line["incident"], line["level"], line["logger"]) == ("stored\nwell", 7, "info", "bridge")
    assert line["timestamp"].endswith("Z")


def test_the_standard_library_logs_the_same_way(lines: Lines) -> None:
    logging.getLogger("waitress").warning("queue depth is %d", 9, extra={"depth": 9})
    (line,) = lines()
    assert (line["event"], line["depth"], line["level"]) == ("queue depth is 9", 9, "warning")


def fail() -> None:
    raise RuntimeError(f"vendor said {SECRET!r}")


def test_a_secret_is_redacted_wherever_it_stands(lines: Lines) -> None:
    logger = logs.get("bridge")
    logger.info(f"event {SECRET}", deep=[{"a": (SECRET, SECRET.encode())}], error=ValueError(SECRET), tokens=3)
    logger.info("headers", headers={"Authorization": "Bearer unknown", "Accept": "all"})
    logging.getLogger("lib").info("said %s", SECRET)
    try:
        fail()
    except RuntimeError:
        logger.exception("failed")
    written = lines()
    assert "€cret" not in json.dumps(written, ensure_ascii=False)
    assert written[1]["headers"] == {"Authorization": "[redacted]", "Accept": "all"}
    assert "Traceback" in written[3]["exception"]


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_what_cannot_be_shown_does_not_break_the_log(lines: Lines) -> None:
    circle: list[object] = []
    circle.append(circle)
    logs.get("bridge").info("odd", thing=Unshowable(), circle=circle, text="\ud800")
    assert len(lines()) == 1


def test_a_line_to_read_has_the_same_in_it(stderr: Stderr) -> None:
    stderr.configure("info", style="console")
    logs.remember(request_id="r1")
    logs.get("bridge").info("stored", incident=7, why="no answer", names=["a", "b"], empty="")
    logging.getLogger("waitress").warning("queue depth is %d", 9)
    first, second = stderr.getvalue().splitlines()
    assert first.split("Z ", 1)[1] == (
        'info     bridge: stored incident=7 why="no answer" names=["a", "b"] empty="" request_id=r1'
    )
    assert second.split("Z ", 1)[1] == "warning  waitress: queue depth is 9"


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_secret_is_redacted_in_each_format(stderr: Stderr, style: str) -> None:
    stderr.configure("debug", frozenset({SECRET, "tok"}), style)
    logger = logs.get("bridge")
    logger.info(f"event {SECRET}", deep=[{"a": (SECRET, SECRET.encode())}], error=ValueError(SECRET), tokens=3)
    logger.info("headers", headers={"Authorization": "Bearer unknown"}, plain=SECRET)
    logger.debug(SECRET, **{SECRET: 1})
    logging.getLogger("lib").info("said %s", SECRET)
    try:
        fail()
    except RuntimeError:
        logger.exception("failed")
    text = stderr.getvalue()
    assert "Traceback" in text and text.count("[redacted]") > 8
    assert not [part for part in ("€cret", "\\u20accret", "unknown") if part in text]


FORGED = "x\nerror  bridge: forged\x1b[2J\r\u2028\u202e\x00"


@pytest.mark.parametrize("style", ["json", "console"])
def test_what_was_sent_to_us_forges_no_line_and_commands_no_terminal(stderr: Stderr, style: str) -> None:
    stderr.configure("info", style=style)
    logs.get(FORGED).info(FORGED, **{FORGED: FORGED, "deep": [FORGED, {FORGED: FORGED}]})
    text = stderr.getvalue()
    assert 1 == len(text.splitlines()) and text.rstrip("\n").isprintable()


@pytest.mark.parametrize("style", ["json", "console"])
def test_what_is_less_than_the_level_is_not_written(stderr: Stderr, style: str) -> None:
    for level in ("debug", "info", "warning", "error"):
        stderr.configure(level, style=style)
        for each in ("debug", "info", "warning", "error"):
            getattr(logs.get("bridge"), each)(f"{each}-at-{level}")
    counts = [stderr.getvalue().count(f"{each}-at-") for each in ("error", "warning", "info", "debug")]
    assert [4, 3, 2, 1] == counts


def test_libraries_say_no_more_at_debug(stderr: Stderr) -> None:
    """urllib3 would tell the path that it asks for, and for a ping that is the secret."""
    stderr.configure("debug")
    logging.getLogger("urllib3").debug("GET /secret-path HTTP/1.1")
    assert "" == stderr.getvalue()


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_full_disk_below_the_log_stops_nobody(stderr: Stderr, monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    monkeypatch.setattr(sys, "stderr", Full())
    logs.configure("info", style=style)
    logs.get("bridge").error("lost")


def test_a_command_warns_on_stderr_and_leaves_the_rest_alone(stderr: Stderr) -> None:
    handlers = logging.getLogger().handlers
    stderr.monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure_for_command()
    logs.get("store").info("schema_migrated")
    logs.get("store").warning("file_mode_restricted", was="0644")
    assert stderr.getvalue().endswith(
        "warning  store: file_mode_restricted was=0644\n"
    ) and 1 == stderr.getvalue().count("\n")
    assert handlers is logging.getLogger().handlers


@pytest.mark.parametrize(
    ("environment", "said", "wanted"),
    [
        ({}, ("info", "json"), ("info", "json")),
        ({}, ("debug", "console"), ("debug", "console")),
        ({"BRIDGE_LOG_LEVEL": "ERROR", "BRIDGE_LOG_FORMAT": " Console "}, ("debug", "json"), ("error", "console")),
        ({"BRIDGE_LOG_LEVEL": "", "BRIDGE_LOG_FORMAT": ""}, ("warning", "console"), ("warning", "console")),
    ],
)
def test_the_environment_comes_before_the_file(
    environment: Mapping[str, str], said: tuple[str, str] | tuple[()], wanted: tuple[str, str]
) -> None:
    assert wanted == chosen(environment, *said)


@pytest.mark.parametrize("name", ["BRIDGE_LOG_LEVEL", "BRIDGE_LOG_FORMAT"])
def test_a_word_that_is_none_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} is 'loud': write \w+.* or \w+"):
        chosen({name: "loud"})


@pytest.mark.parametrize(
    ("routes", "wanted"),
    [
        ("", ("info", "json")),
        ("log: {level: debug, format: console}\nroute: {}", ("debug", "console")),
        ("log: {\n  level: debug,\n  format: console,\n}\n", ("debug", "console")),
        (
            "a: 1\nlog:\n  # format: json\n\n  level: 'warning'\n  format: \"console\"  # json\nb:\n  format: json",
            ("warning", "console"),
        ),
        ("log:   # level: error\r\n  format: console\r\n", ("info", "console")),
        ("log: {format: ${F:-console}, level: ${L}}", ("error", "console")),
        ("log: {format: ${L}}", ("info", "json")),
        ("catalog: {format: console}\n  log: {format: console}\n#log: {format: console}\n", ("info", "json")),
        ("log: {formats: console, sublevel: debug}", ("info", "json")),
        ("log: [", ("info", "json")),
        ("log: null\nformat: console", ("info", "json")),
    ],
)
def test_the_supervisor_writes_as_routes_yaml_says(routes: str, wanted: tuple[str, ...]) -> None:
    assert wanted == glimpsed({"L": "error"}, routes)
    assert (wanted[0], "console") == glimpsed({"L": "error", "BRIDGE_LOG_FORMAT": "console"}, routes)
