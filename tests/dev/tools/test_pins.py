"""The requirements files: every pin with its hashes, no index named, and all of them fit beside each other."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dev.tools import pins

#: For the exporter's own environment, which no image has; its head says why.
WITHOUT_HASHES = "bert_api/requirements-build.txt"
#: Those that are installed beside each other.
TOGETHER = tuple(name for name, pinned in pins.FILES.items() if not pinned.apart)
PIN = re.compile(r"([a-z0-9-]+)==(\S+)(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n")


def text_of(name: str) -> str:
    return (pins.ROOT / name).read_text(encoding="utf-8")


def pinned(name: str) -> Mapping[str, tuple[str, str]]:
    """Each package's version, and the pin as a whole."""
    return {found[1]: (found[2], found[0]) for found in PIN.finditer(text_of(name))}


def direct() -> Iterator[tuple[str, Requirement]]:
    """What pyproject.toml asks for, with the file that must have it."""
    document = tomllib.loads(text_of("pyproject.toml"))
    project, groups = document["project"], document["dependency-groups"]
    lists = {
        "requirements.txt": project["dependencies"],
        "requirements-dev.txt": project["dependencies"] + project["optional-dependencies"]["dev"],
        "bert_api/requirements.txt": groups["toxicity-api"],
        "bert_api/requirements-train.txt": groups["toxicity-training"],
        "dev/sandbox/requirements.txt": groups["sandbox"],
        "requirements-checkov.txt": groups["checkov"],
        "requirements-kubectl.txt": groups["kubectl"],
    }
    return ((name, Requirement(each)) for name, wanted in lists.items() for each in wanted)


def test_every_requirements_file_of_the_repository_is_compiled() -> None:
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*requirements*.txt"]
    found = subprocess.run(words, cwd=pins.ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert set(found) == {*pins.FILES, WITHOUT_HASHES}


@pytest.mark.parametrize("name", pins.FILES)
def test_a_file_has_its_header_and_pins_with_hashes_and_nothing_else(name: str) -> None:
    """So neither an index nor a page of links stands in it, and no pin without a hash."""
    head, _, rest = text_of(name).partition("\n")
    assert pins.header(name) == f"{head}\n"
    assert PIN.sub("", rest) == "", "run: make hashes"


@pytest.mark.parametrize("name", [*pins.FILES, WITHOUT_HASHES])
def test_no_registry_is_named(name: str) -> None:
    assert not re.findall(r"(?im)^\s*-(?!-hash)\S*|\w+://\S*", text_of(name))


@pytest.mark.parametrize(("name", "wanted"), [pytest.param(*each, id=f"{each[0]}:{each[1].name}") for each in direct()])
def test_what_pyproject_asks_for_is_pinned(name: str, wanted: Requirement) -> None:
    version, _ = pinned(name).get(canonicalize_name(wanted.name), ("", ""))
    assert wanted.specifier.contains(version), f"{name} has {version or 'none'}: run make hashes"


def test_what_is_in_two_files_is_the_same_in_both() -> None:
    everywhere = [(package, pin) for name in TOGETHER for package, (_, pin) in pinned(name).items()]
    packages = [package for package, _ in set(everywhere)]
    assert sorted(set(packages)) == sorted(packages)


def test_the_exporters_versions_are_those_of_the_others() -> None:
    others = {package: version for name in TOGETHER for package, (version, _) in pinned(name).items()}
    lines = re.findall(r"(?m)^([a-z-]+)==(\S+)$", text_of(WITHOUT_HASHES))
    assert not {package: version for package, version in lines if others.get(package, version) != version}


def test_whatever_installs_a_requirements_file_here_asks_for_hashes() -> None:
    files = [pins.ROOT / "Makefile", pins.ROOT / "docker" / "Dockerfile", *pins.ROOT.glob("docs/**/*.md")]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").replace("\\\n", "").splitlines()]
    installing = [line for line in lines if re.search(r"(pip|PIP\)) install .*(-r |--requirement )", line)]
    assert len(installing) >= 6
    assert not [line for line in installing if "--require-hashes" not in line]


def test_versions_stay_unless_newer_ones_are_asked_for() -> None:
    kept, newer = (pins.command(pins.API, Path("new.txt"), upgrade) for upgrade in (False, True))
    assert [word for word in newer if word not in kept] == ["--upgrade"]
    assert {"--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"} <= set(kept)
    assert kept[kept.index("--constraint") + 1] == "requirements.txt"


def test_a_file_that_is_not_compiled_here_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        pins.main([WITHOUT_HASHES])
    assert "not compiled here" in capsys.readouterr().err
