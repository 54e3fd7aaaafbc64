"""Log lines: one JSON object each, without secrets. And metrics of several processes in one text."""

import io
import json
import logging
import os
import subprocess
import sys

import pytest
import structlog

from bridge import logs

SECRET = 'top"s€cret/\\'


@pytest.fixture
def lines(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    before, level = root.handlers, root.level
    logs.configure("info", frozenset({SECRET, "tok"}))
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers = before
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_an_event_is_one_line_of_json(lines):
    logs.get("bridge").info("stored\nwell", incident=7)
    (line,) = lines()
    assert (line["event"], line["incident"], line["level"], line["logger"]) == ("stored\nwell", 7, "info", "bridge")
    assert line["timestamp"].endswith("Z")


def test_the_standard_library_logs_the_same_way(lines):
    logging.getLogger("waitress").warning("queue depth is %d", 9, extra={"depth": 9})
    (line,) = lines()
    assert (line["event"], line["depth"], line["level"]) == ("queue depth is 9", 9, "warning")


def fail():
    raise RuntimeError(f"vendor said {SECRET!r}")


def test_a_secret_is_redacted_wherever_it_stands(lines):
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
    def __str__(self):
        raise RuntimeError("no")


def test_what_cannot_be_shown_does_not_break_the_log(lines):
    circle = []
    circle.append(circle)
    logs.get("bridge").info("odd", thing=Unshowable(), circle=circle, text="\ud800")
    assert len(lines()) == 1


WRITER = "from bridge.metrics import Metrics; m = Metrics(); m.know(['c'], []); m.sent('c', 1.0, skipped=False)"
READER = "from bridge.metrics import Metrics; print(Metrics().exposition(lambda: None, ['c']).decode())"


def test_the_metrics_of_all_processes_meet_in_one_text(tmp_path):
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WRITER], env=environ, check=True)
    text = subprocess.run(
        [sys.executable, "-c", READER], env=environ, check=True, capture_output=True, text=True
    ).stdout
    assert 'bridge_deliveries_total{channel="c",outcome="sent"} 2.0' in text
    assert 'bridge_build_info{version="0.1.0"} 1.0' in text
