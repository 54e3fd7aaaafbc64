"""What is wrong with the Dockerfiles: by hadolint, and against the files that they copy."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

from docker.start import make_secrets
from tests.docker.compose_reading import OURS, Stack, tool

LABELS = ("title", "description", "version", "revision", "base.name")
SECRET_WORDS = re.compile(r"(?i)(password|token|secret|routing_key)\w*=")


def image_faults(stack: Stack) -> list[str]:
    return [fault for image in OURS for check in CHECKS for fault in check(stack, image)]


def linted(stack: Stack, image: str) -> Iterator[str]:
    file = stack.folder / image / "Dockerfile"
    done = subprocess.run([tool("hadolint"), "--format", "json", str(file)], capture_output=True, text=True)
    if done.returncode != 0 and not done.stdout.strip():
        yield f"{image}: {done.stderr}"
        return
    yield from (f"{image}: {each['code']} {each['message']}" for each in json.loads(done.stdout or "[]"))


def base(stack: Stack, image: str) -> Iterator[str]:
    stages = [each for each in stack.dockerfile(image) if each.word == "FROM"]
    known = {each.stage for each in stages}
    for each in stages:
        source = each.rest.split(" AS ")[0]
        if source != "${PYTHON_IMAGE}" and source not in known:
            yield f"{image} is built from {source}, and not from the image of .env"
    if len(stages) < 2:
        yield f"{image} has one stage: what builds it is in what runs"


def copies(stack: Stack, image: str) -> Iterator[str]:
    rules = stack.text(".dockerignore").splitlines()
    let_in = [line[1:] for line in rules if line.startswith("!")]
    if "*" not in rules:
        yield ".dockerignore lets in what is not named"
    for each in stack.dockerfile(image):
        if each.word != "COPY" or "--from=" in each.rest:
            continue
        source = next(word for word in each.rest.split() if not word.startswith("--"))
        if not (stack.root / source).exists():
            yield f"{image} copies {source}, which does not exist"
        if not any(source == name or source.startswith(f"{name}/") for name in let_in):
            # A file of a folder that is let in, or a file that is named
            yield f"{image} copies {source}, which .dockerignore keeps out"


def hashes(stack: Stack, image: str) -> Iterator[str]:
    """What is downloaded while an image is built is what was pinned, byte for byte."""
    for each in stack.dockerfile(image):
        for step in each.rest.split("&&") if each.word == "RUN" else ():
            if re.search(r"\b(pip3?|uv)\b.* install\b", step) and "--require-hashes" not in step:
                yield f"{image} installs without --require-hashes: {' '.join(step.split())}"


def user(stack: Stack, image: str) -> Iterator[str]:
    users = [each.rest for each in stack.dockerfile(image) if each.word == "USER"]
    if users != ["10001:10001"]:
        yield f"{image} runs as {users or 'root'}, and not as 10001:10001"


def secrets(stack: Stack, image: str) -> Iterator[str]:
    for each in stack.dockerfile(image):
        if each.word in ("ENV", "ARG", "LABEL") and SECRET_WORDS.search(f"{each.rest}="):
            yield f"{image} has a secret in {each.word} {each.rest.split('=')[0]}"


def labels(stack: Stack, image: str) -> Iterator[str]:
    text = " ".join(each.rest for each in stack.dockerfile(image) if each.word == "LABEL")
    yield from (f"{image} has no label {name}" for name in LABELS if f"org.opencontainers.image.{name}=" not in text)


def programs(stack: Stack, image: str) -> Iterator[str]:
    """Each program that is run by name is copied into the image or is Python."""
    text = [each for each in stack.dockerfile(image) if each.word in ("ENTRYPOINT", "HEALTHCHECK")]
    words = {word for each in text for word in re.findall(r'"([a-z-]+)"', each.rest)}
    copied = {each.rest.rpartition("/")[2] for each in stack.dockerfile(image) if each.word == "COPY"}
    for word in sorted(words & {"with-secrets", "with-login", "make-secrets", "healthy"}):
        if word not in copied:
            yield f"{image} runs {word}, which is not in it"


def folders(stack: Stack, image: str) -> Iterator[str]:
    """Where a volume is mounted there is a folder of our user, or the volume would be root's."""
    made = " ".join(each.rest for each in stack.dockerfile(image) if each.word == "RUN")
    places = {f"/secrets/{place.split('/')[0]}" for places in make_secrets.PLACES.values() for place in places}
    for name, service in stack.services.items():
        if stack.image_of(name) != image:
            continue
        writable = {m["target"] for m in service.get("volumes", ()) if m["type"] == "volume" and not m.get("read_only")}
        wanted = writable | (places if name == "secrets" else set())
        yield from (
            f"{image} has no folder {path} for {name}" for path in sorted(wanted) if f" {path} " not in f"{made} "
        )


CHECKS = (linted, base, copies, hashes, user, secrets, labels, programs, folders)
