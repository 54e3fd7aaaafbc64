"""context.probes: accepted and refused settings, and what `bridge check` reports about the golden texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.app.settings import load
from bridge.channels import CHANNEL_TYPES
from bridge.config import ConfigurationFaults
from bridge.config.advice import advise
from bridge.config.probe import ProbeSettings
from tests.config.examples import GOOD, NOW, ROOT

LEAST: dict[str, Any] = {
    "service": "toxicity-api",
    "golden": "golden.csv",
    "matchers": ['cause="toxicity"'],
    "urls": ["http://api:8100/"],
}


def routes_file(folder: Path, **changed: Any) -> Path:
    """A file with one probe; None removes a key."""
    probe = {key: value for key, value in {**LEAST, **changed}.items() if value is not None}
    channels = {"slack-ml": {"type": "slack", "token": "${BOT}", "channel": "C012ABCDEF"}}
    context = {"prometheus": {"url": "http://prometheus:9090"}, "probes": [probe]}
    file = folder / "routes.yaml"
    file.write_text(yaml.safe_dump({"channels": channels, "route": {"notify": ["slack-ml"]}, "context": context}))
    return file


def read(folder: Path, **changed: Any) -> ProbeSettings:
    context = load(routes_file(folder, **changed), GOOD).context
    assert context is not None
    (probe,) = context.probes
    return probe


def test_the_required_keys_are_enough(tmp_path: Path) -> None:
    probe = read(tmp_path)
    assert (probe.golden, probe.urls, probe.path) == (tmp_path / "golden.csv", ("http://api:8100",), "/predict")
    assert probe.probe.concerns([{"cause": "toxicity"}])
    assert not probe.probe.concerns([{"cause": "latency"}])
    assert probe.sent_headers() == {"X-Golden-Probe": "1"}


def test_tokens_are_sent_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-the-file\n")
    probe = read(tmp_path, token="${KEY}", header_token_file="token", headers={"X-Team": "ml"})
    assert probe.sent_headers() == {
        "X-Team": "ml",
        "Authorization": f"Bearer {GOOD['KEY']}",
        "X-Golden-Probe": "of-the-file",
    }
    assert GOOD["KEY"] not in repr(probe)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"urls": None}, "it needs urls, or instances and allowed"),
        ({"instances": "up"}, "instances and allowed belong together"),
        ({"allowed": "10[.].*"}, "instances and allowed belong together"),
        ({"instances": "up", "allowed": "10[.](:8100"}, "not a regular expression"),
        ({"matchers": []}, "matchers"),
        ({"path": "predict"}, "path"),
        ({"urls": ["ftp://api"]}, "urls"),
        ({"scheme": "file"}, "scheme"),
        ({"token": "written-out"}, "token"),
        ({"batch": 0}, "batch"),
    ],
)
def test_an_invalid_probe_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationFaults) as raised:
        read(tmp_path, **changed)
    assert said in "\n".join(fault.render("routes.yaml") for fault in raised.value.faults)


SECRET = "a-text-that-must-stay-secret"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file or directory"),
        ("label,text\n", "it has 0 texts"),
        (f"label,text\ntoxic,{SECRET}, and more\n", "text 1 is not a label and a text"),
    ],
)
def test_unusable_golden_texts_are_a_warning_and_the_bridge_starts(
    tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "golden.csv").write_text(content)
    assert read(tmp_path)
    advice = advise(routes_file(tmp_path), GOOD, NOW, CHANNEL_TYPES)
    (warning,) = [str(each) for each in advice.warnings if "probes" in str(each)]
    assert said in warning
    assert SECRET not in warning


def test_the_golden_texts_of_the_api_are_usable(tmp_path: Path) -> None:
    golden = str(ROOT / "bert_api" / "golden.csv")
    advice = advise(routes_file(tmp_path, golden=golden), GOOD, NOW, CHANNEL_TYPES)
    assert [each for each in advice.warnings if "probes" in str(each)] == []
