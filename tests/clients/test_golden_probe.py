"""Golden texts over real sockets: a model that answers, hangs, refuses and lies; addresses that may not be asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge.clients.golden_probe import MOST_ANSWER, Endpoint, Fields, GoldenProbe
from bridge.core.context.enrichment import Answer, Failure, Query, Sample
from bridge.core.context.golden_set import GoldenFault, golden_set
from bridge.core.context.probe import Answered, Probe, Target, TargetAnswer, Unanswered

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PROBE = Probe("toxicity-api", ())
SECRET = "a-text-that-nobody-may-see"
TEXTS = [f"{SECRET} {number}" for number in range(10)]
CIVIL = "".join(f"civil,{text}\n" for text in TEXTS[:9])
GOLDEN = golden_set(f"label,text\n{CIVIL}rude,{TEXTS[9]}\n".encode())


def endpoint(**changed: Any) -> Endpoint:
    return Endpoint(PROBE, Path("nowhere.csv"), **{"budget": 120.0, "timeout": 60.0, **changed})


def asked(handler: Handler, *, versions: bool = False, **changed: Any) -> TargetAnswer:
    """What the probe makes of a model that handles every request so."""

    async def ask() -> TargetAnswer:
        application = web.Application(client_max_size=10**6)
        application.router.add_post("/predict", handler)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target = Target("api-0", f"http://127.0.0.1:{runner.addresses[0][1]}/predict")
        probe = GoldenProbe(endpoint(**changed))
        try:
            (answer,) = await (probe.versions if versions else probe.ask)([target], GOLDEN)
            return answer
        finally:
            await probe.close()
            await runner.cleanup()

    return asyncio.run(ask())


def verdicts(label: str = "civil", version: object = "1.1.0", **more: Any) -> Handler:
    """Every text the same label."""

    async def handle(request: web.Request) -> web.StreamResponse:
        texts = (await request.json())["texts"]
        return web.json_response({"predictions": [{"label": label, **more} for _ in texts], "model_version": version})

    return handle


def says(status: int = 200, body: Any = None, text: str | None = None, **headers: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        if text is not None:
            return web.Response(status=status, text=text, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    return handle


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(300)
    return web.Response()


async def never_ends(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" " * 65_536)


async def breaks_off(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "100"})
    await answer.prepare(request)
    await answer.write(b"{")
    assert request.transport is not None
    request.transport.close()
    return answer


def test_wrong_answers_are_counted() -> None:
    assert asked(verdicts(confidence=0.75)) == Answered("api-0", "1.1.0", 1, 10, 0.75)
    assert asked(verdicts("rude")) == Answered("api-0", "1.1.0", 9, 10, None)


def test_one_text_says_the_version() -> None:
    assert asked(verdicts(), versions=True) == Answered("api-0", "1.1.0", 0, 1, None)


def test_texts_are_asked_in_batches_with_the_header() -> None:
    seen: list[tuple[int, str | None]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append((len((await request.json())["texts"]), request.headers.get("X-Golden-Probe")))
        return await verdicts()(request)

    assert isinstance(asked(handle, batch=4), Answered)
    assert seen == [(4, "1"), (4, "1"), (2, "1")]


def test_another_models_fields() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        texts = (await request.json())["inputs"]
        return web.json_response({"results": [{"class": "civil", "score": 0.5} for _ in texts], "model": "v7"})

    fields = Fields("inputs", "results", "class", "score", "model")
    assert asked(handle, fields=fields) == Answered("api-0", "v7", 1, 10, 0.5)


def test_a_version_is_a_word_or_none() -> None:
    for version in (None, 7, "", "x" * 65, "1.0 <b>", "1.0\nfiring", ["1.0"]):
        assert asked(verdicts(version=version)) == Answered("api-0", "", 1, 10, None), version


def test_a_deploy_in_between_is_no_answer() -> None:
    served = iter(["1.0.0", "2.0.0", "2.0.0"])

    async def handle(request: web.Request) -> web.StreamResponse:
        return await verdicts(version=next(served))(request)

    assert asked(handle, batch=4) == Unanswered("api-0", "its version changed meanwhile")


LIES = {
    "5xx": (says(503, {"error": SECRET}), "HTTP 503"),
    "refused": (says(401, {"error": SECRET}), "HTTP 401"),
    "redirect": (says(302, text="", Location="http://127.0.0.1:1/"), "HTTP 302, which is not followed"),
    "no JSON": (says(text=f"<p>{SECRET}"), "an answer that is not JSON"),
    "deep JSON": (says(text="[" * 500_000), "an answer that is not JSON"),
    "a list": (says(body=[SECRET]), "an answer without 10 predictions"),
    "too few": (says(body={"predictions": [{"label": "civil"}]}), "an answer without 10 predictions"),
    "no labels": (says(body={"predictions": [SECRET] * 10}), "a verdict without label"),
    "label of no text": (verdicts(SECRET), "a label that no golden text has"),
    "label of no string": (says(body={"predictions": [{"label": ["civil"]}] * 10}), "a verdict without label"),
    "huge": (says(text=" " * (MOST_ANSWER + 1)), "an answer of more than 1 MiB"),
    "endless": (never_ends, "an answer of more than 1 MiB"),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_cannot_be_believed_is_unknown_with_its_reason(lie: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    handler, why = LIES[lie]
    assert asked(handler) == Unanswered("api-0", why)
    assert SECRET not in caplog.text


def test_a_model_that_hangs_or_breaks_off_is_unknown() -> None:
    assert asked(hangs, timeout=0.2) == Unanswered("api-0", "no answer within 0.2 s")
    assert asked(hangs, budget=0.2) == Unanswered("api-0", "no answer within 0.2 s")
    assert isinstance(asked(breaks_off), Unanswered)


def test_a_confidence_that_cannot_be_is_none() -> None:
    for confidence in (True, "0.9", -0.1, 1.1, None):
        assert asked(verdicts(confidence=confidence)) == Answered("api-0", "1.1.0", 1, 10, None), confidence


def test_where_nothing_listens_is_unknown_and_the_rest_is_asked() -> None:
    async def ask() -> list[TargetAnswer]:
        probe = GoldenProbe(endpoint())
        try:
            return await probe.ask([Target("a", "http://127.0.0.1:1/"), Target("b", "http://127.0.0.1:1/")], GOLDEN)
        finally:
            await probe.close()

    answers = asyncio.run(ask())
    assert [isinstance(each, Unanswered) and each.target for each in answers] == ["a", "b"]


def test_without_its_token_nothing_is_asked() -> None:
    def headers() -> Mapping[str, str]:
        raise PermissionError(13, "Permission denied", "/secrets/token")

    assert asked(verdicts(), headers=headers) == Unanswered("api-0", "no token: PermissionError")


class Instances:
    """Prometheus' answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.queries = answer, list[str]()

    async def query(self, query: Query, timeout_seconds: float) -> Answer:
        self.queries.append(query.expr)
        return self.answer

    async def close(self) -> None:
        return


def up(**labels: str) -> Sample:
    return Sample({"job": "toxicity-api", **labels}, 1.0, NOW)


def targets(*found: Sample, labels: Mapping[str, str] | None = None, **changed: Any) -> list[tuple[str, str]]:
    given = {"instances": 'up{job="toxicity-api"}', "allowed": r"10\.0\.0\.\d+:8100", "scope": ("namespace", "job")}
    probe = GoldenProbe(endpoint(**{**given, **changed}), Instances(found))

    async def ask() -> list[tuple[str, str]]:
        return [(each.name, each.url) for each in await probe.targets(labels or {})]

    return asyncio.run(ask())


def test_addresses_come_from_prometheus_and_the_configuration() -> None:
    found = targets(up(instance="10.0.0.7:8100", pod="api-0"), urls=("https://u:pw@model.example.org",))
    assert found == [
        ("api-0", "http://10.0.0.7:8100/predict"),
        ("model.example.org", "https://u:pw@model.example.org/predict"),
    ]


@pytest.mark.parametrize(
    "instance",
    [
        "10.0.0.7:22",
        "169.254.169.254:80",
        "127.0.0.1:8100",
        "10.0.0.7:8100@evil.example.org:8100",
        "evil.example.org/10.0.0.7:8100",
        "10.0.0.7:8100/../admin",
        "10.0.0.7:8100?x",
        "10.0.0.7:8100\n",
        "x10.0.0.7:8100",
        "",
    ],
)
def test_an_address_that_is_not_allowed_is_never_asked(instance: str) -> None:
    assert targets(up(instance=instance)) == []
    assert targets(up(instance=instance), allowed=None) == []


def test_a_pattern_for_everything_still_takes_only_addresses() -> None:
    assert targets(up(instance="a:1@b:2"), up(instance="a b:1"), up(instance="[::1]:8100"), allowed=".*") == [
        ("[::1]:8100", "http://[::1]:8100/predict")
    ]


def test_an_incident_concerns_the_instances_of_its_own_place() -> None:
    here, there = up(instance="10.0.0.7:8100", namespace="ml"), up(instance="10.0.0.8:8100", namespace="beta")
    incident = {"namespace": "ml", "job": "toxicity-api", "alertname": "X", "pod": "api-9"}
    assert [url for _, url in targets(here, there, labels=incident)] == ["http://10.0.0.7:8100/predict"]
    assert len(targets(here, there)) == 2


def test_without_prometheus_the_configured_addresses_are_asked() -> None:
    down = Instances(Failure("Prometheus does not answer"))
    probe = GoldenProbe(endpoint(instances="up", allowed=".*", urls=("http://model:8100",)), down)
    assert [each.name for each in asyncio.run(probe.targets({}))] == ["model:8100"]


def test_there_are_never_more_than_twenty() -> None:
    assert len(targets(*(up(instance=f"10.0.0.{number}:8100") for number in range(100)))) == 20


@pytest.mark.parametrize("content", [None, b"", b"x" * (2**20 + 1)])
def test_a_file_that_cannot_be_used_says_its_name_alone(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "golden.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(GoldenFault) as raised:
        GoldenProbe(Endpoint(PROBE, file)).golden()
    assert str(tmp_path) not in str(raised.value)
