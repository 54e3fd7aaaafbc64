"""Each file in faulty_routes/ is named for its fault; its first comments are the expected faults."""

from pathlib import Path

import pytest

from bridge.app.settings import load, load_text
from bridge.config import ConfigurationFaults
from bridge.config.faults import Fault, did_you_mean, format_path

FOLDER = Path(__file__).parent / "faulty_routes"
ENVIRON = {
    "SLACK_BOT_TOKEN": "xoxb-from-env",
    "PAGERDUTY_ROUTING_KEY": "pd-from-env",
    "EMPTY": "",
    "TWO_LINES": "one\ntwo",
}
SECRETS = ("hunter2", "xoxb-from-env", "pd-from-env", "one\ntwo")


def expected_faults(text: str) -> list[str]:
    lines = text.splitlines()
    comments = lines[: next((n for n, line in enumerate(lines) if not line.startswith("# ")), len(lines))]
    return [line.removeprefix("# ") for line in comments]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_faulty_file_gives_its_faults(path: Path) -> None:
    with pytest.raises(ConfigurationFaults) as caught:
        load(path, ENVIRON)
    assert [f"{fault.line}: {fault}" for fault in caught.value.faults] == expected_faults(path.read_text())
    for secret in SECRETS:
        assert secret not in f"{caught.value} {caught.value!r} {caught.value.warnings}"


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFaults, match="the file cannot be read: No such file or directory; name it"):
        load(tmp_path / "routes.yaml", {})


def test_a_binary_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ConfigurationFaults, match="the file is not UTF-8 text: byte 3 is 0xff"):
        load(tmp_path / "routes.yaml", {})


def test_template_faults_are_reported_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    checked: list[Path | None] = []

    def check_templates(folder: Path | None) -> list[str]:
        checked.append(folder)
        return ["body.txt:3: unexpected '}'"]

    with pytest.raises(ConfigurationFaults) as caught:
        load_text("templates: mine\nretention: x\n", {}, folder=tmp_path, check_templates=check_templates)
    assert checked == [tmp_path / "mine"]
    assert Fault(1, "templates", "body.txt:3: unexpected '}'") in caught.value.faults
    assert {fault.path for fault in caught.value.faults} == {"templates", "retention", "route", "channels"}


def test_a_fault_is_formatted_like_a_compiler_message() -> None:
    fault = Fault(12, "route.notify[0]", "no channel named 'slak'", "did you mean 'slack'?")
    assert (
        fault.render("routes.yaml") == "routes.yaml:12: route.notify[0]: no channel named 'slak'; did you mean 'slack'?"
    )


def test_paths_and_suggestions_are_formatted() -> None:
    assert format_path(("route", "routes", 1, "notify", 0)) == "route.routes[1].notify[0]"
    assert did_you_mean("slak-ml", ["email", "slack-ml"]) == "did you mean 'slack-ml'?"
    assert did_you_mean("zzz", ["b", "a"]) == "known here: a, b"
    assert did_you_mean("zzz", []) == ""
