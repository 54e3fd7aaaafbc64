"""The same action from the command line, on the database and through the API, and from the API itself, on real
processes: the same timeline, the same messages wanted, one winner of a race.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from bridge.store import StoreReader, open_database
from bridge.store.tables import delivery
from tests.end_to_end.edge import BEARER, Web, notification
from tests.end_to_end.machines import ROOT

YAML = """
channels:
  chat: {type: slack, token: "${TOKEN}", channel: "#ml"}
  lead: {type: slack, token: "${TOKEN}", channel: "#lead"}
route: {notify: [chat], escalate: [{after: 10m, notify: [lead]}]}
sources: [{name: prod, tokens: ["${TOKEN}"]}]
people: [{name: Ana Lima, login: ana}]
web: {tokens: [{name: ana, role: responder, token: "${API_TOKEN}"}]}
"""
API_TOKEN = "api-token-0123456789"
NOTE = "Rolled back to *v1*.\n<b>Watching</b> it."


@dataclass
class Bridge:
    web: Web

    @property
    def database(self) -> str:
        return f"sqlite:///{self.web.folder}/bridge.db"

    def opened(self, key: str) -> int:
        answer = requests.post(
            f"{self.web.url}/webhook/alertmanager", json=notification(key), headers=BEARER, timeout=30
        )
        return int(answer.json()["incident"])

    def command(self, *words: str, token: str = "", **more: Any) -> subprocess.Popen[str]:
        environ = {**os.environ, "BRIDGE_TOKEN": token} if token else dict(os.environ)
        command = [sys.executable, "-m", "bridge", "incidents", *words]
        return subprocess.Popen(command, cwd=ROOT, env=environ, text=True, stdout=-1, stderr=-1, stdin=-1, **more)

    def direct(self, *words: str) -> subprocess.Popen[str]:
        return self.command(*words, "--config", str(self.web.config), "--database", self.database)

    def outcome(self, number: int) -> tuple[list[Any], list[Any]]:
        """The users' entries without time and place, and what each channel has to show."""
        engine = open_database(self.database)
        try:
            reader = StoreReader(engine)
            entries = [
                (each.kind, each.actor, each.text, each.revision, each.loud)
                for each in reader.timeline(number)
                if each.place is not None
            ]
            mine = sa.select(delivery.c.channel, delivery.c.wanted, delivery.c.firing, delivery.c.pending)
            with engine.connect() as connection:
                rows = connection.execute(mine.where(delivery.c.incident_number == number).order_by("channel"))
                return entries, [tuple(row) for row in rows]
        finally:
            engine.dispose()

    def places(self, number: int) -> set[str]:
        answer = requests.get(
            f"{self.web.url}/api/v1/incidents/{number}", headers={"Authorization": f"Bearer {API_TOKEN}"}, timeout=30
        )
        return {each["place"] for each in answer.json()["timeline"] if each["place"]}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    web = Web(tmp_path_factory.mktemp("acting"), YAML, environment={"API_TOKEN": API_TOKEN})
    web.start()
    yield Bridge(web)
    web.stop()


def by_command(bridge: Bridge, word: str, number: int, *own: str) -> None:
    done = bridge.direct(word, str(number), "--as", "ana", *own)
    output, errors = done.communicate(timeout=120)
    assert (done.returncode, errors) == (0, ""), output


def by_command_through_the_api(bridge: Bridge, word: str, number: int, *own: str) -> None:
    done = bridge.command(word, str(number), "--server", bridge.web.url, *own, token=API_TOKEN)
    output, errors = done.communicate(timeout=120)
    assert (done.returncode, errors) == (0, ""), output


def by_api(bridge: Bridge, word: str, number: int, *own: str) -> None:
    names = {"--text": "text", "--channel": "channel"}
    body = {names[name]: value for name, value in zip(own[::2], own[1::2], strict=True)}
    answer = requests.post(
        f"{bridge.web.url}/api/v1/incidents/{number}/{word}",
        json=body,
        headers={"Authorization": f"Bearer {API_TOKEN}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text


PLACES = {by_command: "cli", by_command_through_the_api: "api", by_api: "api"}
ACTS = [
    [("ack",)],
    [("ack",), ("unack",)],
    [("resolve",)],
    [("note", "--text", NOTE)],
    [("escalate",)],
    [("ack",), ("escalate", "--channel", "lead"), ("note", "--text", NOTE), ("resolve",)],
]


@pytest.mark.parametrize("acts", ACTS, ids=lambda acts: "-".join(act[0] for act in acts))
def test_an_action_is_the_same_from_everywhere(bridge: Bridge, acts: list[tuple[str, ...]]) -> None:
    outcomes = []
    for do, place in PLACES.items():
        number = bridge.opened(f"{do.__name__} {acts}")
        for word, *own in acts:
            do(bridge, word, number, *own)
        outcomes.append(bridge.outcome(number))
        assert bridge.places(number) == {place}
    assert outcomes[0][0] and all(actor == "Ana Lima" for _, actor, *_ in outcomes[0][0])
    assert outcomes == [outcomes[0]] * len(outcomes)


@pytest.mark.parametrize("remote", [False, True], ids=["database", "api"])
def test_of_several_processes_one_wins_and_the_others_are_told_who(bridge: Bridge, remote: bool) -> None:
    number = str(bridge.opened(f"race {remote}"))
    names = ["ana", "Ben", "Cyd"]
    start: Callable[[str], subprocess.Popen[str]] = (
        (lambda name: bridge.command("resolve", number, "--server", bridge.web.url, "--json", token=API_TOKEN))
        if remote
        else (lambda name: bridge.direct("resolve", number, "--as", name, "--json"))
    )
    racing = [start(name) for name in names]
    results = [json.loads(each.communicate(timeout=120)[0])[0] for each in racing]
    assert [each.returncode for each in racing] == [0, 0, 0]
    entries, _ = bridge.outcome(int(number))
    ((kind, winner, *_),) = entries
    assert kind == "resolved" and sorted(each["changed"] for each in results) == [False, False, True]
    assert all(each["message"].startswith(f"{winner} resolved it") for each in results)


def test_a_refusal_has_an_exit_code_and_names_its_incident(bridge: Bridge) -> None:
    over, fine = bridge.opened("over"), bridge.opened("fine")
    by_command(bridge, "resolve", over)
    for done in (
        bridge.direct("ack", str(over), str(fine), "999999"),
        bridge.command("ack", str(over), str(fine), "999999", "--server", bridge.web.url, token=API_TOKEN),
    ):
        output, errors = done.communicate(timeout=120)
        assert done.returncode == 1
        assert output.startswith(f"#{fine}: ")
        assert f"Error: #{over}: it is over: Ana Lima resolved it" in errors
        assert "There is no incident 999999." in errors


def test_a_wrong_token_a_wrong_place_and_no_bridge_are_explained(bridge: Bridge, tmp_path: Path) -> None:
    number = str(bridge.opened("wrong"))
    (tmp_path / "token").write_text("wrong\n")
    for words, code, why in (
        (("--server", bridge.web.url, "--token-file", str(tmp_path / "token")), 1, "HTTP 401: The token is none of"),
        (("--server", bridge.web.url, "--token-file", str(tmp_path / "none")), 1, "No such file"),
        (("--server", "http://ana:secret@127.0.0.1"), 2, "every user of this machine can read it"),
        (("--server", "ftp://x"), 2, "write the bridge's address"),
    ):
        done = bridge.command("ack", number, *words)
        _, errors = done.communicate(timeout=120)
        assert (done.returncode, why in errors) == (code, True), errors
        assert "Traceback" not in errors and "secret" not in errors


def test_a_note_is_read_from_the_standard_input(bridge: Bridge) -> None:
    number = bridge.opened("stdin")
    done = bridge.direct("note", str(number), "--as", "ana")
    done.communicate(NOTE, timeout=120)
    entries, _ = bridge.outcome(number)
    assert (done.returncode, [text for _, _, text, *_ in entries]) == (0, [NOTE])
    empty = bridge.direct("note", str(number))
    _, errors = empty.communicate(" \n", timeout=120)
    assert empty.returncode == 2 and "the note is empty" in errors


@contextlib.contextmanager
def answering(*answers: tuple[int, dict[str, Any]]) -> Iterator[str]:
    """A server that gives these answers, one after the other."""
    left = list(answers)

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = left.pop(0)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_was_done_before_an_error_is_reported(bridge: Bridge) -> None:
    """A bridge that answers the first and refuses the second, as one does whose token is taken away meanwhile."""
    first = (200, {"number": 1, "state": "acknowledged", "revision": 2, "changed": True, "message": "done"})
    second = (401, {"error": "The token is gone."})
    with answering(first, second) as url:
        done = bridge.command("ack", "1", "2", "3", "--server", url, token=API_TOKEN)
        output, errors = done.communicate(timeout=120)
    assert (done.returncode, output) == (1, "#1: done\n")
    assert errors.splitlines() == [
        "Error: #2: HTTP 401: The token is gone.",
        "Error: #3: not tried, because of the error with 2",
    ]
    with answering(first, second) as url:
        done = bridge.command("ack", "1", "2", "3", "--server", url, "--json", token=API_TOKEN)
        output, errors = done.communicate(timeout=120)
    assert (done.returncode, errors) == (1, "")
    assert [each.get("why") for each in json.loads(output)] == [None, "stopped", "stopped"]


def test_a_number_beyond_all_stops_no_other(bridge: Bridge) -> None:
    fine, huge = str(bridge.opened("beside a huge one")), str(2**40)
    for done in (
        bridge.direct("ack", huge, fine),
        bridge.command("unack", huge, fine, "--server", bridge.web.url, token=API_TOKEN),
    ):
        output, errors = done.communicate(timeout=120)
        assert (done.returncode, output.startswith(f"#{fine}: ")) == (1, True), errors
        assert f"Error: #{huge}: There is no incident {huge}." in errors


def test_an_empty_channel_is_not_the_next_step(bridge: Bridge) -> None:
    number = bridge.opened("empty channel")
    for channel in ("", " "):
        done = bridge.direct("escalate", str(number), "--channel", channel)
        _, errors = done.communicate(timeout=120)
        assert (done.returncode, "--channel is empty" in errors) == (2, True), errors
    assert bridge.outcome(number)[0] == []


@pytest.mark.parametrize("token", ["sec\nret", "secr€t", "secr\x7fet"])
def test_a_token_that_is_none_is_explained_and_never_shown(bridge: Bridge, tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text(token)
    for words, variable in (((), token), (("--token-file", str(tmp_path / "token")), "")):
        done = bridge.command("ack", "1", "--server", bridge.web.url, *words, token=variable)
        _, errors = done.communicate(timeout=120)
        assert (done.returncode, "one line of ASCII characters, the token" in errors) == (1, True), errors
        assert "Traceback" not in errors and "sec" not in errors
