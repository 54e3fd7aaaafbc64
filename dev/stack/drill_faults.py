"""The faults that drills cause in the running API, and how they are undone.

Invariant: each fault is undone however the drill ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import IO

from dev.stack import earlier, proc, with_parent
from dev.stack.drill_watching import Site, Unanswered, Watch, request
from dev.stack.errors import StackError
from dev.stack.places import ROOT
from dev.stack.processes import send as send_signal
from dev.stack.processes import tail

Fault = Callable[[Site], AbstractContextManager[None]]
LONGEST_SECONDS = 7200  # then a fault ends by itself, even if the drill was killed
EVERY_REPLICA = (0, 1, 2)
MEGABYTE = 1024 * 1024
USUAL_RATE = "max(namespace_job:http_request_duration_seconds_count:median1d_rate5m)"
LEAST_USUAL = 0.1  # requests a second, the floor of the rule TrafficSpike
COMMAND_SECONDS, TRAINING_SECONDS = 60.0, 600.0


def misbehave(kind: str, replicas: Sequence[int] = EVERY_REPLICA, **values: float) -> Fault:
    """One of the API's own drills (GET /drills lists them)."""

    @contextmanager
    def fault(site: Site) -> Iterator[None]:
        try:
            for number in replicas:
                _begin(site, number, kind, values)
            yield
        finally:
            for number in replicas:
                _end(site, number, kind)

    return fault


def _begin(site: Site, replica: int, kind: str, values: dict[str, float]) -> None:
    url = f"{site.replica(replica)}/drills/{kind}"
    try:
        request(url, "POST", {**values, "for_seconds": LONGEST_SECONDS})
    except Unanswered as fault:
        raise StackError(
            f"The API did not begin the drill: {fault}\nIt takes drills unless BERT_API_DRILLS=0."
        ) from None


def _end(site: Site, replica: int, kind: str) -> None:
    """Continues with the next replica on an error."""
    try:
        request(f"{site.replica(replica)}/drills/{kind}", "DELETE")
    except Unanswered as fault:
        sys.stderr.write(f"Could not end the drill {kind} of replica {replica}: {fault}\n")


def send(scenario: str, rate: float, replicas: Sequence[int] = EVERY_REPLICA) -> Fault:
    """More traffic, beside that of `make up`; `rate` in requests a second."""

    @contextmanager
    def fault(site: Site) -> Iterator[None]:
        urls = [word for number in replicas for word in ("--url", site.replica(number))]
        words = [
            "bert_api.traffic",
            "--scenario",
            scenario,
            "--duration",
            str(LONGEST_SECONDS),
            "--rate",
            f"{rate:g}",
            *urls,
        ]
        with _log(site) as log, _started(site, words, log) as process:
            try:
                yield
            finally:
                process.terminate()

    return fault


def surge(times: float, most: float) -> Fault:
    """So many times the usual rate in Prometheus, but at most `most` requests a second."""

    @contextmanager
    def fault(site: Site) -> Iterator[None]:
        usual = Watch(site).value(USUAL_RATE) or 0.0
        with send("normal", min(most, times * max(usual, LEAST_USUAL)))(site):
            yield

    return fault


def memory_of_limit(share: float, replica: int = 0) -> Fault:
    """A reported limit of which the replica uses this share; no memory is really short."""

    @contextmanager
    def fault(site: Site) -> Iterator[None]:
        with misbehave("memory-limit", [replica], megabytes=_used(site, replica) / share / MEGABYTE)(site):
            yield

    return fault


def leak_up_to(total: float, replica: int = 0) -> Fault:
    """Real memory, in bytes, within a minute."""

    @contextmanager
    def fault(site: Site) -> Iterator[None]:
        missing = max(1.0, (total - _used(site, replica)) / MEGABYTE)
        with misbehave("memory", [replica], megabytes=missing)(site):
            yield

    return fault


def _used(site: Site, replica: int) -> float:
    used = Watch(site).value(f'app_memory_usage_bytes{{job="toxicity-api", pod="toxicity-api-{replica}"}}')
    if not used:
        raise StackError(f"Prometheus does not know how much memory replica {replica} uses; see its targets.")
    return used


@contextmanager
def another_version(site: Site) -> Iterator[None]:
    """Deploys the newest version that is not served, and rolls back."""
    lines = _command(site, "versions").splitlines()
    others = [line.split()[-1] for line in lines if not line.startswith("->")]
    if not others:
        raise StackError(f"There is only one version of the model, so none can be deployed:\n{chr(10).join(lines)}")
    _command(site, "deploy", others[-1])
    try:
        yield
    finally:
        _command(site, "rollback")


def _command(site: Site, *words: str) -> str:
    try:
        done = _ran(site, words)
    except subprocess.TimeoutExpired:
        raise StackError(f"`python -m bert_api {' '.join(words)}` did not end in {COMMAND_SECONDS:.0f} s.") from None
    if done.returncode != 0:
        raise StackError(f"`python -m bert_api {' '.join(words)}` failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def _ran(site: Site, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _python(["bert_api", *words]), cwd=ROOT, env=_environment(site), check=False, capture_output=True, text=True,
        timeout=COMMAND_SECONDS, start_new_session=True,
    )  # fmt: skip


@contextmanager
def retraining(site: Site) -> Iterator[None]:
    """A real retraining. It may finish, unless the drill is interrupted."""
    with _log(site) as log:
        process = _started(site, ["bert_api", "retrain", "--trigger", "manual"], log)
        try:
            yield
            process.wait(TRAINING_SECONDS)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)  # which it records as its end
                process.wait()
    if process.returncode == 2:
        raise StackError(f"The retraining could not be started:\n{tail(site.places.logs / 'drill.log')}")


def frozen(*names: str) -> Fault:
    """Stops these services of `make up` with SIGSTOP: they exist, and do not answer."""

    @contextmanager
    def fault(site: Site) -> Iterator[None]:
        stopped: list[int] = []
        try:
            for pid in _members(site, names):
                stopped.append(pid)
                send_signal(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in stopped:
                send_signal(pid, signal.SIGCONT)

    return fault


def _members(site: Site, names: Sequence[str]) -> list[int]:
    children = [child for child in earlier.recorded(site.places) if child.name in names]
    if {child.name for child in children} != set(names):
        raise StackError(f"{site.places.pids} does not list {', '.join(names)}; is this `make up` of the same version?")
    return [seen.pid for child in children for seen in proc.session_members(child.pid, site.places.run, child.started)]


def _log(site: Site) -> IO[bytes]:
    return (site.places.logs / "drill.log").open("ab")


def _python(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", *words]


def _environment(site: Site) -> dict[str, str]:
    """The replicas' environment, so that both use the same versions and runs."""
    return {**os.environ, "BERT_API_STATE": str(site.places.api_state)}


def _started(site: Site, words: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """In its own session: Ctrl-C reaches only the drill, which then ends it gracefully."""
    return subprocess.Popen(
        with_parent.command(_python(words)),
        cwd=ROOT,
        env=_environment(site),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
