"""Log lines: one JSON object each, or a readable line; without secrets, and received text cannot forge one."""

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
    """Replaces stderr on configure(), because pytest replaces it between a fixture and the test."""

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


def test_a_secret_is_redacted_anywhere_in_a_line(lines: Lines) -> None:
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


def test_a_value_without_a_representation_does_not_break_the_log(lines: Lines) -> None:
    circle: list[object] = []
    circle.append(circle)
    logs.get("bridge").info("odd", thing=Unshowable(), circle=circle, text="\ud800")
    assert len(lines()) == 1


def test_a_readable_line_has_the_same_fields(stderr: Stderr) -> None:
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
def test_received_text_forges_no_line_and_no_terminal_command(stderr: Stderr, style: str) -> None:
    stderr.configure("info", style=style)
    logs.get(FORGED).info(FORGED, **{FORGED: FORGED, "deep": [FORGED, {FORGED: FORGED}]})
    text = stderr.getvalue()
    assert len(text.splitlines()) == 1 and text.rstrip("\n").isprintable()


@pytest.mark.parametrize("style", ["json", "console"])
def test_events_below_the_level_are_not_written(stderr: Stderr, style: str) -> None:
    for level in ("debug", "info", "warning", "error"):
        stderr.configure(level, style=style)
        for each in ("debug", "info", "warning", "error"):
            getattr(logs.get("bridge"), each)(f"{each}-at-{level}")
    counts = [stderr.getvalue().count(f"{each}-at-") for each in ("error", "warning", "info", "debug")]
    assert counts == [4, 3, 2, 1]


def test_libraries_log_no_more_at_debug_level(stderr: Stderr) -> None:
    """urllib3 would log the path of a request, which is the secret of a ping."""
    stderr.configure("debug")
    logging.getLogger("urllib3").debug("GET /secret-path HTTP/1.1")
    assert stderr.getvalue() == ""


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_full_disk_does_not_break_logging(stderr: Stderr, monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    monkeypatch.setattr(sys, "stderr", Full())
    logs.configure("info", style=style)
    logs.get("bridge").error("lost")


def test_a_command_warns_on_stderr_and_changes_nothing_else(stderr: Stderr) -> None:
    handlers = logging.getLogger().handlers
    stderr.monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure_for_command()
    logs.get("store").info("schema_migrated")
    logs.get("store").warning("file_mode_restricted", was="0644")
    assert (
        stderr.getvalue().endswith("warning  store: file_mode_restricted was=0644\n")
        and stderr.getvalue().count("\n") == 1
    )
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
def test_the_environment_wins_over_the_file(
    environment: Mapping[str, str], said: tuple[str, str] | tuple[()], wanted: tuple[str, str]
) -> None:
    assert chosen(environment, *said) == wanted


@pytest.mark.parametrize("name", ["BRIDGE_LOG_LEVEL", "BRIDGE_LOG_FORMAT"])
def test_an_invalid_value_is_refused_with_the_valid_ones(name: str) -> None:
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
def test_the_supervisor_logs_as_configured(routes: str, wanted: tuple[str, ...]) -> None:
    assert glimpsed({"L": "error"}, routes) == wanted
    assert glimpsed({"L": "error", "BRIDGE_LOG_FORMAT": "console"}, routes) == (wanted[0], "console")
