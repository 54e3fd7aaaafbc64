"""Inconsistencies between the Dockerfile, the files that it copies, and the services that run its images."""

from __future__ import annotations

import re
from collections.abc import Iterator

from docker.start import make_secrets
from tests.docker.compose_reading import Stack

LABELS = ("title", "description", "version", "revision", "base.name")
SECRET_WORDS = re.compile(r"(?i)(password|token|secret|routing_key)\w*=")


def image_faults(stack: Stack) -> list[str]:
    found = [fault for check in (base, copies, hashes, secrets) for fault in check(stack)]
    for target in sorted(set(stack.built.values())):
        found += [fault for check in (image, programs, folders) for fault in check(stack, target)]
    return found


def base(stack: Stack) -> Iterator[str]:
    stages = {each.stage for each in stack.dockerfile}
    sources = {each.rest.split()[0] for each in stack.dockerfile if each.word == "FROM"}
    yield from (f"{each} is built from, and not the image of .env" for each in sources - stages - {"${PYTHON_IMAGE}"})


def copies(stack: Stack) -> Iterator[str]:
    rules = stack.text(".dockerignore").splitlines()
    let_in = [line[1:] for line in rules if line.startswith("!")]
    if "*" not in rules:
        yield ".dockerignore lets in what is not named"
    for each in stack.dockerfile:
        if each.word != "COPY" or "--from=" in each.rest:
            continue
        source = next(word for word in each.rest.split() if not word.startswith("--"))
        if not (stack.root / source).exists():
            yield f"{each.stage} copies {source}, which does not exist"
        if not any(source == name or source.startswith(f"{name}/") for name in let_in):
            # A file of an included folder, or an included file
            yield f"{each.stage} copies {source}, which .dockerignore keeps out"


def hashes(stack: Stack) -> Iterator[str]:
    """Everything downloaded during a build is pinned by its hash."""
    for each in stack.dockerfile:
        for step in each.rest.split("&&") if each.word == "RUN" else ():
            if re.search(r"\b(pip3?|uv)\b.* install\b", step) and "--require-hashes" not in step:
                yield f"{each.stage} installs without --require-hashes: {' '.join(step.split())}"


def secrets(stack: Stack) -> Iterator[str]:
    for each in stack.dockerfile:
        if each.word in ("ENV", "ARG", "LABEL") and SECRET_WORDS.search(f"{each.rest}="):
            yield f"{each.stage} has a secret in {each.word} {each.rest.split('=')[0]}"


def image(stack: Stack, target: str) -> Iterator[str]:
    instructions = stack.instructions(target)
    if any("pip install" in each.rest for each in instructions if each.word == "RUN"):
        yield f"{target} is built in one stage: what builds it is in what runs"
    users = [each.rest for each in instructions if each.word == "USER"]
    if users != ["10001:10001"]:
        yield f"{target} runs as {users or 'root'}, and not as 10001:10001"
    text = " ".join(each.rest for each in instructions if each.word == "LABEL")
    yield from (f"{target} has no label {name}" for name in LABELS if f"org.opencontainers.image.{name}=" not in text)


def programs(stack: Stack, target: str) -> Iterator[str]:
    """Each program that is run by name is copied into the image or is Python."""
    instructions = stack.instructions(target)
    text = " ".join(each.rest for each in instructions if each.word in ("ENTRYPOINT", "HEALTHCHECK"))
    words = set(re.findall(r'"([a-z-]+)"', text))
    copied = {each.rest.rpartition("/")[2] for each in instructions if each.word == "COPY"}
    for word in sorted(words & {"with-secrets", "with-login", "make-secrets", "healthy"} - copied):
        yield f"{target} runs {word}, which is not in it"


def folders(stack: Stack, target: str) -> Iterator[str]:
    """The mount point of a volume is a folder of our user; otherwise root would own the volume."""
    made = " ".join(each.rest for each in stack.instructions(target) if each.word == "RUN").split()
    places = {f"/secrets/{place.split('/')[0]}" for places in make_secrets.PLACES.values() for place in places}
    for name, service in stack.services.items():
        if stack.image_of(name) != target:
            continue
        writable = {m["target"] for m in service.get("volumes", ()) if m["type"] == "volume" and not m.get("read_only")}
        wanted = writable | (places if name == "secrets" else set())
        yield from (f"{target} has no folder {path} for {name}" for path in sorted(wanted - set(made)))
