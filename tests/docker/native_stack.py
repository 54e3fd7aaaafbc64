"""The programs of compose.yaml as processes of this machine: its own commands, environment and files.

What containers provide is replaced: host names become loopback ports, paths in the container become paths here,
and the waits are shortened.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import requests

from dev.stack.binaries import find, working_folder
from dev.stack.free_port import free_port
from docker.start import make_secrets
from tests.docker.compose_reading import ADDRESS, ROOT, Stack
from tests.end_to_end.machines import eventually

START = ROOT / "docker" / "start"
PROGRAMS = {
    "python": [sys.executable],
    **{
        name: [sys.executable, str(START / f"{name.replace('-', '_')}.py")]
        for name in ("with-secrets", "with-login", "make-secrets", "healthy")
    },
}
QUICK = {r"(group_wait: )[1-9]\w*": r"\g<1>1s", r"(group_interval: )\w+": r"\g<1>2s", r"(_interval: )15s": r"\g<1>2s"}
#: Shorter waits of a pair than between machines.
QUICK_PAIR = ["--cluster.settle-timeout=4s", "--cluster.peer-timeout=2s"]


@dataclass
class NativeStack:
    folder: Path
    stack: Stack = field(default_factory=lambda: Stack(profiles=("sandbox", "sqlite")))
    ports: dict[tuple[str, int], int] = field(default_factory=dict)
    database: str = ""  #: instead of the configured one

    def url(self, host: str, port: int) -> str:
        return f"http://{self.address(host, port)}"

    def address(self, host: str, port: int) -> str:
        return f"127.0.0.1:{self.ports.setdefault((host, port), free_port())}"

    def here(self, name: str, text: str) -> str:
        """A word of a service's command or configuration, with the names of this machine."""
        text = re.sub(r"0\.0\.0\.0:(\d+)", lambda found: self.address(name, int(found[1])), text)
        known = self.stack.names()
        text = ADDRESS.sub(lambda found: self._named(found) if found[1] in known else found[0], text)
        paths = self.paths(name)
        inside = "|".join(map(re.escape, paths)) or "(?!)"
        return re.sub(rf"(?<![\w.])(?:{inside})(?![\w-])", lambda found: str(paths[found[0]]), text)

    def _named(self, found: re.Match[str]) -> str:
        service = self.stack.names()[found[1]]
        return found[0].replace(f"{found[1]}:{found[2]}", self.address(service, int(found[2])))

    @cached_property
    def secrets(self) -> Path:
        folder = self.folder / "secrets"
        for places in make_secrets.PLACES.values():
            for place in places:
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
        return folder

    def paths(self, name: str) -> dict[str, Path]:
        """Path in the container -> path here, for each mount; longest first."""
        found = {"/run/bridge": self.made(f"{name}-run")}
        for mount in self.stack.services[name].get("volumes", ()):
            source = mount["source"]
            if mount["type"] == "bind":
                found[mount["target"]] = self.rendered(name, Path(source))
            elif source.endswith("-secrets"):
                found[mount["target"]] = self.secrets / source.removesuffix("-secrets")
            else:
                found[mount["target"]] = self.made(source)
        return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))

    def made(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def rendered(self, name: str, source: Path) -> Path:
        """The mounted file with names and waits replaced; a folder and routes.yaml are taken as they are."""
        if source.is_dir() or source.name == "routes.yaml":
            return source
        target = self.made(f"{name}-files") / source.name
        if not target.exists():
            target.touch()
            text = self.here(name, source.read_text())
            for pattern, quick in QUICK.items():
                text = re.sub(pattern, quick, text)
            target.write_text(text)
        return target

    def environment(self, name: str) -> dict[str, str]:
        secret = self.stack.secret_variables(name)
        given = {key: value for key, value in self.stack.environment(name).items() if key not in secret}
        ours = {key: self.here(name, value) for key, value in given.items() if key != "PATH" and key != "PYTHONPATH"}
        folder = self.secrets if name == "secrets" else self.paths(name).get("/run/secrets", self.secrets)
        return {
            "PATH": os.environ["PATH"],
            **ours,
            "SECRETS_FOLDER": str(folder),
            "BRIDGE_RUN_FOLDER": str(self.made(f"{name}-run")),
            **({"BRIDGE_DATABASE_URL": self.database} if self.database else {}),
        }

    def run_once(self, name: str) -> str:
        """For a service that ends by itself; make-secrets must see the vendors' names, not their ports."""
        environment = {**self.environment(name), **(self.stack.services[name]["environment"] or {})}
        done = subprocess.run(
            self.words(self.stack.command(name)), env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def words(self, command: list[str]) -> list[str]:
        return [word for each in command for word in PROGRAMS.get(each, [each])]

    @contextlib.contextmanager
    def running(self, name: str, ready: Callable[[], bool], *more: str) -> Iterator[None]:
        command = [*(self.here(name, word) for word in self.stack.command(name)), *more]
        binary = self.binary(name)
        words = [str(binary), *command] if binary else self.words(command)
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                words,
                env=self.environment(name),
                cwd=working_folder(binary) if binary else ROOT,
                stdout=log,
                stderr=log,
            )
        try:
            eventually(lambda: process.poll() is not None or ready(), 60)
            assert process.poll() is None, (self.folder / f"{name}.log").read_text()
            yield
        finally:
            process.terminate()
            process.wait(300)

    def binary(self, name: str) -> Path | None:
        tool = re.sub(r"-\d$", "", name)
        return find(tool) if self.stack.image_of(name) is None else None

    def health(self, name: str) -> int:
        """The exit code of the service's own health check, asked here."""
        test = (self.stack.services[name].get("healthcheck") or {}).get("test") or self._built_health(name)
        own = [re.sub(r"127\.0\.0\.1:(\d+)", rf"{name}:\1", word) for word in test]
        words = [self.here(name, word) for word in own]
        program = words[1]
        command = PROGRAMS.get(program) or [str(find(program))]
        return subprocess.run([*command, *words[2:]], capture_output=True, timeout=600).returncode

    def _built_health(self, name: str) -> list[str]:
        image = self.stack.image_of(name)
        assert image, f"{name} has no health check"
        (check,) = [each.rest for each in self.stack.instructions(image) if each.word == "HEALTHCHECK"]
        return ["CMD", *re.findall(r'"([^"]+)"', check)]


def answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    return requests.get(url, timeout=60, headers=headers).status_code == 200
