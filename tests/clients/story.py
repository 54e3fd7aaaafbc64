"""Six services in trouble, as a real Prometheus sees them, with the shipped rules evaluated every second.

Each namespace is a story: in `deploy` a new version fails on the pods that have it, in `labelled` the same happens to
an API whose counters name the version, in `onepod` one pod fails, `overload` gets far more requests than usual and is
slow, `drift` is asked other things than it was trained on, and one pod of `gone` has not answered for ten minutes.
Before, all was well; the trouble is seven minutes old, the drift nearly an hour.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from dev.stack.binaries import find, working_folder
from dev.stack.free_port import free_port
from tests.end_to_end.machines import ROOT, eventually

PODS = ("api-0", "api-1", "api-2")
CONFIDENCE = ("0.5", "0.55", "0.6", "0.65", "0.7", "0.75", "0.8", "0.85", "0.9", "0.95", "0.99", "1.0", "+Inf")
TRAINED = (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.18, 0.28, 0.5, 0.8, 1.0, 1.0)
DRIFTED = (0.0, 0.2, 0.4, 0.55, 0.65, 0.75, 0.82, 0.88, 0.92, 0.96, 0.99, 1.0, 1.0)
SECONDS = ("0.05", "0.1", "0.2", "0.5", "1.0", "+Inf")
STEP, HOUR = 15, 3600
DEPLOYED_SECONDS_AGO = 420
OLD = "1.0.0"


@dataclass(frozen=True)
class Story:
    """Rates are a second and pod."""

    versions: tuple[str, str, str] = ("1.0.0", "1.0.0", "1.0.0")
    requests: tuple[float, float, float] = (4.0, 4.0, 4.0)
    errors: tuple[float, float, float] = (0.0, 0.0, 0.0)
    confidence: tuple[float, ...] = TRAINED
    in_flight: float = 2.0
    usual_requests: float = 12.0  # of all pods
    gone: tuple[bool, bool, bool] = (False, False, False)  # since ten minutes
    labelled: bool = False  # the counters have a version
    slow: bool = False
    since: int = DEPLOYED_SECONDS_AGO


STORIES = {
    "deploy": Story(versions=("1.0.0", "1.1.0", "1.1.0"), errors=(0.01, 1.5, 1.5)),
    "labelled": Story(versions=("1.0.0", "1.1.0", "1.1.0"), errors=(0.01, 1.5, 1.5), labelled=True),
    "onepod": Story(errors=(0.01, 0.01, 2.0)),
    "overload": Story(requests=(60.0, 60.0, 60.0), in_flight=70.0, slow=True),
    "drift": Story(confidence=DRIFTED, since=55 * 60),
    "gone": Story(gone=(False, False, True)),
}


@contextlib.contextmanager
def running_prometheus(folder: Path) -> Iterator[str]:
    """Its URL, once the rules have been evaluated."""
    _make_blocks(folder, int(time.time()))
    config = folder / "prometheus.yml"
    config.write_text(f"global: {{evaluation_interval: 1s}}\nrule_files: ['{ROOT}/rules/*.yml']\n")
    binary, port = find("prometheus"), free_port()
    command = [str(binary), f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100d"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=working_folder(binary))
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _recorded(url), 60)
        yield url
    finally:
        process.terminate()
        process.wait(300)


RECORDED = (
    "namespace_job_version:ml_confidence_distribution:psi_rate1h",
    "namespace_job:ml_prediction_errors:ratio_rate5m",
    "namespace_job:http_request_duration_seconds_count:rate5m",
    "namespace_job:http_request_duration_seconds_count:median1d_rate5m",
)


def _recorded(url: str) -> bool:
    """Groups of rules build on each other, so each needs its turn."""
    return all(_stories_with(url, name) == len(STORIES) for name in RECORDED)


def _stories_with(url: str, name: str) -> int:
    answer = requests.get(f"{url}/api/v1/query", params={"query": f"count by (namespace) ({name})"}, timeout=60)
    return len(answer.json()["data"]["result"]) if answer.ok else 0


def _make_blocks(folder: Path, now: int) -> None:
    families: dict[str, list[str]] = {}
    for namespace, story in STORIES.items():
        for index, pod in enumerate(PODS):
            _pod(families, story, index, f'namespace="{namespace}",job="toxicity-api",pod="{pod}"', now)
        usual = "namespace_job:http_request_duration_seconds_count:rate5m"
        labels = f'{{namespace="{namespace}",job="toxicity-api"}}'
        points = [f"{usual}{labels} {story.usual_requests} {now - ago}" for ago in range(26 * HOUR, HOUR, -600)]
        families.setdefault(f"{usual} gauge", []).extend(points)
    text = "".join(f"# TYPE {family}\n" + "\n".join(lines) + "\n" for family, lines in families.items())
    (folder / "story.om").write_text(f"{text}# EOF\n")
    promtool = find("promtool")
    command = [
        str(promtool),
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        "--quiet",
        f"{folder}/story.om",
        f"{folder}/data",
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=working_folder(promtool))
    assert made.returncode == 0, made.stdout + made.stderr


def _pod(families: dict[str, list[str]], story: Story, index: int, labels: str, now: int) -> None:
    calm = Story(labelled=story.labelled)
    everything = range(now - HOUR - 40 * 60, now, STEP)  # none later than the first evaluation: those would be refused
    times = everything[:-40] if story.gone[index] else everything
    turn = now - story.since
    version = story.versions[index]

    def points(name: str, more: str, values: Iterable[tuple[int, float]], kind: str) -> None:
        family = name.removesuffix("_total").removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
        lines = families.setdefault(f"{family} {kind}", [])
        lines += [f"{name}{{{labels}{more}}} {value:.4f} {at}" for at, value in values]

    def counter(name: str, more: str, before: float, after: float, kind: str = "counter") -> None:
        """Rates a second, until the turn and from then on; with a version, each has a counter of its own."""
        for label, first, second in _split(name, story, version, before, after):
            values = ((at, first * (min(at, turn) - times.start) + second * max(0, at - turn)) for at in times)
            points(name, f"{label}{more}", values, kind)

    def gauge(name: str, more: str, value: float) -> None:
        points(name, more, ((at, value) for at in times), "gauge")

    was, rate = calm.requests[index], story.requests[index]
    for result, share in (("non_toxic", 0.9), ("toxic", 0.1)):
        counter("ml_predictions_total", f',result="{result}",confidence_level="high"', was * share, rate * share)
    counter("ml_prediction_errors_total", ',error_type="prediction_failed"', calm.errors[index], story.errors[index])
    for bound, trained, share in zip(CONFIDENCE, TRAINED, story.confidence, strict=True):
        counter("ml_confidence_distribution_bucket", f',le="{bound}"', was * trained, rate * share, "histogram")
    counter("ml_confidence_distribution_count", "", was, rate, "histogram")
    counter("ml_confidence_distribution_sum", "", was * 0.8, rate * 0.8, "histogram")
    for bound in SECONDS:
        slow = story.slow and float(bound) < 0.5
        counter(
            "ml_processing_duration_seconds_bucket", f',le="{bound}"', was, 0.3 * rate if slow else rate, "histogram"
        )
    counter("ml_processing_duration_seconds_count", "", was, rate, "histogram")
    asked = ',method="POST",handler="/predict",status="200"'
    for bound in ("0.5", "+Inf"):
        answered = 0.3 * rate if story.slow and bound != "+Inf" else rate
        counter("http_request_duration_seconds_bucket", f'{asked},le="{bound}"', was, answered, "histogram")
    counter("http_request_duration_seconds_count", asked, was, rate, "histogram")
    for bound, share in zip(CONFIDENCE[:-1], TRAINED, strict=False):
        gauge("ml_confidence_baseline_cdf", f',version="{version}",upper="{bound}"', share)
    gauge("http_requests_in_progress", "", story.in_flight)
    gauge("ml_model_status", "", 1.0)
    gauge("process_start_time_seconds", "", now - 30 * HOUR)
    served = [(OLD, times.start, turn), (version, turn, now)] if version != OLD else [(OLD, times.start, now)]
    for name, since, until in served:
        shown = ((at, 1.0) for at in times if since <= at < until)
        points("ml_model_info", f',model="toxicity",version="{name}"', shown, "gauge")
    began = turn if version != OLD else now - 30 * HOUR
    gauge("ml_model_loaded_timestamp_seconds", f',version="{version}"', began)
    up = families.setdefault("up gauge", [])
    up += [f"up{{{labels}}} {int(at in times)} {at}" for at in everything]


def _split(name: str, story: Story, version: str, before: float, after: float) -> list[tuple[str, float, float]]:
    """By version, where the metric names it: what the old one counted stays when another one serves."""
    if (not story.labelled and not name.startswith("ml_confidence")) or name.startswith("http"):
        return [("", before, after)]
    if version == OLD:
        return [(f',version="{OLD}"', before, after)]
    return [(f',version="{OLD}"', before, 0.0), (f',version="{version}"', 0.0, after)]
