"""Inconsistencies between compose.yaml, the files that it mounts, and the code: each names its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from bert_api.service import settings as api_settings
from bridge import __version__
from dev.sandbox.__main__ import serve as sandbox_serve
from docker.start import make_secrets
from tests.docker.compose_reading import ADDRESS, VARIABLE, ComposeFault, Stack, files_of

BRIDGES = ("bridge", "bridge-web", "bridge-worker")
ALERTMANAGERS = ("alertmanager-1", "alertmanager-2")
#: Variables of the programs in docker/start and of PostgreSQL's library; the rest is for routes.yaml.
READ_ELSEWHERE = {"BRIDGE_ADMIN_PASSWORD", "PGPASSWORD"}
#: Addresses within the stack, and a file of the image: compose.yaml has them.
IN_COMPOSE = {"ALERTMANAGER_URL", "PROMETHEUS_URL", "GOLDEN_TEXTS", "GOLDEN_INSTANCES"}
CONFIGURATIONS = (
    "docker/prometheus/prometheus.yml",
    "docker/alertmanager/alertmanager.yml",
    "docker/grafana/provisioning/datasources/datasources.yml",
    "docker/sandbox.env",
)


def compose_faults(stack: Stack) -> list[str]:
    try:
        return [fault for check in CHECKS for fault in check(stack)]
    except ComposeFault as fault:
        return [f"compose: {fault}"]


def mounts(stack: Stack) -> Iterator[str]:
    for name, service in stack.services.items():
        for mount in service.get("volumes", ()):
            if mount["type"] == "bind" and not Path(mount["source"]).exists():
                yield f"{name} mounts {mount['source']}, which does not exist"
            if mount["type"] == "bind" and not mount.get("read_only"):
                yield f"{name} may write to {mount['source']}"


def confinement(stack: Stack) -> Iterator[str]:
    for name, service in stack.services.items():
        if not service.get("read_only"):
            yield f"{name} has a root file system that can be written to"
        if service.get("cap_drop") != ["ALL"] or service.get("cap_add") or service.get("privileged"):
            yield f"{name} keeps capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", ()):
            yield f"{name} may gain privileges"
        if stack.image_of(name) is None and not re.match(r"[1-9]\d*:\d+$", service.get("user", "")):
            yield f"{name} has no user by number"
        if stack.secret_files(name) and stack.image_of(name) is None and service.get("group_add") != ["10001"]:
            yield f"{name} is not of the group that may read its secrets"


def published(stack: Stack) -> Iterator[str]:
    for name, service in stack.services.items():
        for port in service.get("ports", ()):
            if port.get("host_ip") != "127.0.0.1":
                yield f"{name} is published to others than this machine"
            if port["target"] not in stack.listening(name):
                yield f"{name} publishes {port['target']} and listens on {sorted(stack.listening(name))}"


def addresses(stack: Stack) -> Iterator[str]:
    """A service listens at every HOST:PORT that a configuration names."""
    texts = {path: stack.text(path) for path in CONFIGURATIONS}
    for name in stack.services:
        words = [*stack.command(name), *map(str, (stack.services[name].get("environment") or {}).values())]
        texts[name] = "\n".join(words)
    names = stack.names()
    for place, text in texts.items():
        for host, port in ADDRESS.findall(re.sub(r"(?m)^\s*#.*$", "", text)):
            if host not in names:
                yield f"{place} asks {host}:{port}, and no service is called {host}"
            elif int(port) not in stack.listening(names[host]):
                yield f"{place} asks {host}:{port}, and {names[host]} listens on {stack.listening(names[host])}"


def healthchecks(stack: Stack) -> Iterator[str]:
    for name in stack.services:
        words = " ".join(_health(stack, name))
        if "curl" in words or ("wget" in words and name != "grafana"):
            yield f"{name} is asked for its health with what its image may not have"
        for host, port in re.findall(r"http://([\w.-]+):(\d+)", words):
            target = name if host == "127.0.0.1" else stack.names().get(host)
            if target is None or int(port) not in stack.listening(target):
                yield f"{name} is asked for its health at {host}:{port}, where no service listens"
        if not words and not stack.services[name].get("healthcheck", {}).get("disable"):
            yield f"{name} has no health check"


def _health(stack: Stack, name: str) -> list[str]:
    image, own = stack.image_of(name), stack.services[name].get("healthcheck", {})
    if own.get("disable") or own.get("test"):
        return list(own.get("test") or ())
    return [each.rest for each in stack.instructions(image) if each.word == "HEALTHCHECK"] if image else []


def variables(stack: Stack) -> Iterator[str]:
    """Every variable of routes.yaml is set, and every variable that is set is used."""
    routes = re.sub(r"(?m)(^\s*#|\s#\s).*$", "", stack.text("routes.yaml"))
    wanted = {name for name, _ in VARIABLE.findall(routes)}
    for name in BRIDGES:
        given = stack.environment(name)
        yield from (f"{name} has no {variable} for routes.yaml" for variable in sorted(wanted - given.keys()))
        unread = stack.secret_variables(name) - wanted - READ_ELSEWHERE
        yield from (f"{name} is given the secret {variable}, which no program reads" for variable in sorted(unread))
        if not {"BRIDGE_CONFIG", "BRIDGE_DATABASE_URL", "BRIDGE_LISTEN"} <= given.keys():
            yield f"{name} lacks an option of its own"
        if given["BRIDGE_CONFIG"] not in _targets(stack, name):
            yield f"{name} reads {given['BRIDGE_CONFIG']}, which is not mounted"
    every = {name for name, _ in VARIABLE.findall(stack.text("routes.yaml"))} - {"NAME", "ALICE_PASSWORD_HASH"}
    offered = stack.settings(".env.example").keys() | IN_COMPOSE
    yield from (f".env.example does not name {variable}" for variable in sorted(every - offered))
    secrets = {secret for folder in ("bridge", "grafana", "postgres") for secret in files_of(folder).values()}
    yield from (f".env.example does not name the secret {each}" for each in sorted(secrets - offered))


def _targets(stack: Stack, name: str) -> set[str]:
    return {mount["target"] for mount in stack.services[name].get("volumes", ())}


def api(stack: Stack) -> Iterator[str]:
    code = Path(api_settings.__file__).read_text(encoding="utf-8")
    for name in ("toxicity-api-0", "toxicity-api-1", "toxicity-api-2", "trainer"):
        ours = {key: value for key, value in stack.environment(name).items() if key.startswith(("BERT_", "CHANGE_"))}
        yield from (f"{name} is given {key}, which the code does not read" for key in ours if f'"{key}"' not in code)
        if ours.get("BERT_API_STATE") not in _targets(stack, name):
            yield f"{name} keeps its state where no volume is"
        try:
            plain = {**ours, "CHANGE_WEBHOOK_TOKEN": "x"}
            api_settings.from_environment(plain)
        except api_settings.SettingsError as fault:
            yield f"{name}: {fault}"


def sandbox(stack: Stack) -> Iterator[str]:
    options = {word for each in sandbox_serve.params for word in each.opts}
    known = {each.envvar for each in sandbox_serve.params if isinstance(each.envvar, str)}
    words = [word for word in stack.command("sandbox") if word.startswith("--")]
    yield from (f"the sandbox does not know {word}" for word in words if word not in options)
    unread = stack.secret_variables("sandbox") - known
    yield from (f"the sandbox is given {each}, which it does not read" for each in sorted(unread))


def secret_files(stack: Stack) -> Iterator[str]:
    """Exactly the secret files that its configuration names are made for a service."""
    read = {
        **dict.fromkeys(ALERTMANAGERS, _paths(r"_file: (\S+)", stack.text("docker/alertmanager/alertmanager.yml"))),
        "grafana": _paths(r"\$__file\{(.+?)\}", stack.text("docker/grafana/grafana.ini")),
        "postgres": {stack.services["postgres"]["environment"]["POSTGRES_PASSWORD_FILE"]},
    }
    for name, paths in read.items():
        made = stack.secret_files(name).keys()
        yield from (f"{name} reads {path}, which is not made for it" for path in sorted(paths - made))
        yield from (f"{name} can see {path} and does not need it" for path in sorted(made - paths))
    for name, service in stack.services.items():
        if stack.secret_files(name) and "secrets" not in service.get("depends_on", {}):
            yield f"{name} may start before its secrets are made"
        writable = [
            m["source"] for m in service.get("volumes", ()) if "-secrets" in m["source"] and not m.get("read_only")
        ]
        if writable and name != "secrets":
            yield f"{name} may change its secrets"


def _paths(pattern: str, text: str) -> set[str]:
    return set(re.findall(pattern, re.sub(r"(?m)^\s*[#;].*$", "", text)))


def made_secrets(stack: Stack) -> Iterator[str]:
    """make-secrets writes to the volumes of the services."""
    written = {mount["target"]: mount["source"] for mount in stack.services["secrets"].get("volumes", ())}
    expected = {f"/secrets/{folder}": f"{folder}-secrets" for folder in sorted(_folders())}
    if written != expected:
        yield f"secrets writes to {written}, and make-secrets to {expected}"
    if stack.services["secrets"].get("network_mode") != "none":
        yield "secrets needs no network"


def _folders() -> set[str]:
    return {Path(place).parent.name for places in make_secrets.PLACES.values() for place in places}


def pair(stack: Stack) -> Iterator[str]:
    monitoring = stack.yaml("docker/prometheus/prometheus.yml")
    targets = monitoring["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    if targets != [f"{name}:9093" for name in ALERTMANAGERS]:
        yield f"prometheus.yml sends alerts to {targets}, and not both Alertmanagers"
    for name, other in zip(ALERTMANAGERS, reversed(ALERTMANAGERS), strict=True):
        if f"--cluster.peer={other}:9094" not in stack.command(name):
            yield f"{name} does not know its peer {other}"


def processes(stack: Stack) -> Iterator[str]:
    for name in BRIDGES:
        if not stack.services[name].get("init"):
            yield f"{name} is process 1 of its container, which would have to look after orphans"
    if "bridge" not in _aliases(stack):
        yield "bridge-web is not known as bridge, and nothing else is there with PostgreSQL"
    shared = "/var/lib/bridge-metrics"
    for name in ("bridge-web", "bridge-worker"):
        if stack.environment(name).get("PROMETHEUS_MULTIPROC_DIR") != shared or shared not in _targets(stack, name):
            yield f"{name} does not share its metrics"


def _aliases(stack: Stack) -> list[str]:
    return list((stack.services["bridge-web"]["networks"]["default"] or {}).get("aliases", ()))


def images(stack: Stack) -> Iterator[str]:
    for name, value in stack.settings(".env").items():
        if name.endswith("_IMAGE") and not re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)*$", value):
            yield f"{name}={value} is not pinned to a version"
    for image in re.findall(r"(?m)^\s*image: (\S+)", stack.text("docker/compose.yaml")):
        if "${" not in image:
            yield f"compose.yaml names the image {image} itself; versions belong into .env"
    if stack.settings(".env")["STACK_VERSION"] != __version__:
        yield f"STACK_VERSION is not {__version__}, the version of the bridge"


def builds(stack: Stack) -> Iterator[str]:
    """Two services that build one tag at the same time fail, and an image that no service builds would be pulled."""
    for image in stack.built:
        users = {name: each for name, each in stack.services.items() if each["image"] == image}
        builders = [name for name, each in users.items() if "build" in each]
        if len(builders) != 1:
            yield f"{image} is built by {' and '.join(builders)}: one must"
        for name, each in users.items():
            wanted = "build" if "build" in each else "never"
            if each.get("pull_policy") != wanted:
                yield f"{name} may ask a registry for {image}: pull_policy must be {wanted}"


CHECKS: tuple[Callable[[Stack], Iterator[str]], ...] = (
    mounts,
    confinement,
    published,
    addresses,
    healthchecks,
    variables,
    api,
    sandbox,
    secret_files,
    made_secrets,
    pair,
    processes,
    images,
    builds,
)
