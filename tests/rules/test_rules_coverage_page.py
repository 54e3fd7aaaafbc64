"""The coverage table in the documentation is what `bridge check` says."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli.main import main

ROOT = Path(__file__).parents[2]


def test_the_page_shows_whom_each_alert_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAGERDUTY_ROUTING_KEY", "SLACK_BOT_TOKEN", "ALERTMANAGER_TOKEN"):
        monkeypatch.setenv(name, "x" * 32)
    said = CliRunner().invoke(main, ["check", "--config", str(ROOT / "routes.yaml")])
    assert said.exit_code == 0, said.output
    table = said.output[said.output.index("alerts in") :].partition("\n")[2].rstrip()
    assert table in (ROOT / "docs" / "rules.md").read_text(), "put the output of `bridge check` into docs/rules.md"
