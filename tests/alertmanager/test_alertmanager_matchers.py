"""The real amtool parses matchers as the bridge does. 0.25 has the classic grammar only, which wins if it can parse."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
import yaml

from bridge.core.routing.matchers import MatcherError, parse_matchers
from dev.stack import binaries
from tests.core.routing.alertmanager_matchers import CLASSIC, REFUSED


def amtool(folder: Path, texts: list[str]) -> list[str] | None:
    """The routes as amtool prints them, in order; None when it refuses one."""
    routes = [{"matchers": [text], "receiver": f"r{index}"} for index, text in enumerate(texts)]
    receivers = [{"name": name} for name in ("default", *(f"r{index}" for index in range(len(texts))))]
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump({"route": {"receiver": "default", "routes": routes}, "receivers": receivers}))
    words = [str(binaries.find("amtool")), "config", "routes", "show", f"--config.file={file}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        return None
    shown = [line.partition("── ")[2].rpartition("  receiver: r")[0] for line in done.stdout.splitlines()]
    return [line for line in shown if line]


def as_amtool(text: str) -> str:
    """It sorts the matchers of a route, and prints a route without any as the default."""
    matchers = sorted(parse_matchers(text), key=lambda each: (each.name, each.value, len(each.op)))
    return "{" + ",".join(map(str, matchers)) + "}" if matchers else "default-route"


def test_amtool_parses_each_classic_matcher_as_the_bridge_does(tmp_path: Path) -> None:
    texts = [text for text, matchers in CLASSIC.items() if matchers]
    assert amtool(tmp_path, texts) == [as_amtool(text) for text in texts]


@pytest.mark.parametrize("text", [text for text in REFUSED if not text.startswith(('"', '{"'))])
def test_amtool_refuses_what_the_bridge_refuses(tmp_path: Path, text: str) -> None:
    assert amtool(tmp_path, [text]) is None


def test_amtool_parses_random_texts_as_the_bridge_does(tmp_path: Path) -> None:
    """The accepted texts share one file; each refused text has its own, because one is enough to refuse a file."""
    dice = random.Random(2026)
    texts = {"a=" + "".join(dice.choices(' ab"\\{},=!~nt', k=dice.randint(0, 9))) for _ in range(400)}
    taken, refused = [], []
    for text in sorted(texts):
        try:
            matchers = parse_matchers(text)
        except MatcherError:
            refused.append(text)
            continue
        if matchers:
            taken.append(text)
    assert len(taken) > 50 and len(refused) > 50
    assert amtool(tmp_path, taken) == [as_amtool(text) for text in taken]
    assert [amtool(tmp_path, [text]) for text in dice.sample(refused, 40)] == [None] * 40
