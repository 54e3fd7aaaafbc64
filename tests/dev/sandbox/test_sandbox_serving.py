"""Starting and stopping, as a person at a terminal and as a test would."""

import re
import signal
import subprocess
import sys

import pytest

from dev.sandbox.running import RunningSandbox, running_sandbox
from tests.dev.sandbox.calls import a_mail, an_event, enqueue, posted, request, send


def test_serve_says_where_it_listens_and_stops_on_sigterm() -> None:
    command = [sys.executable, "-m", "dev.sandbox", "serve", "--http", "127.0.0.1:0", "--smtp", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"sandbox ready http=(127\.0\.0\.1:\d+) smtp=127\.0\.0\.1:\d+\n", line)
        assert found, line
        assert request(f"http://{found.group(1)}/")[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 0


def test_credentials_are_random_and_well_formed() -> None:
    run = [
        subprocess.run([sys.executable, "-m", "dev.sandbox", "credentials"], check=True, capture_output=True, text=True)
        for _ in "12"
    ]
    pattern = r"PAGERDUTY_ROUTING_KEY=[0-9a-f]{32}\nSLACK_BOT_TOKEN=xoxb-[\w-]+\nALERTMANAGER_TOKEN=[\w-]{40,}\n"
    assert all(re.fullmatch(pattern, each.stdout) for each in run)
    assert run[0].stdout != run[1].stdout


def test_a_taken_port_is_said_at_once(sandbox: RunningSandbox) -> None:
    taken = sandbox.http_url.removeprefix("http://")
    with pytest.raises(RuntimeError, match="did not start"), running_sandbox(http=taken):
        pass


def test_reset_forgets_everything_that_came_in(sandbox: RunningSandbox) -> None:
    enqueue(sandbox, an_event())
    posted(sandbox)
    send(sandbox, a_mail())
    assert request(sandbox.http_url + "/state", "DELETE")[0] == 200
    state = sandbox.state
    assert (state["pagerduty"]["incidents"], state["slack"]["channels"], state["mail"]) == ([], {}, [])


def test_history_is_bounded() -> None:
    with running_sandbox(history=3) as sandbox:
        for number in range(5):
            enqueue(sandbox, an_event(dedup_key=str(number)))
            posted(sandbox, str(number))
            send(sandbox, a_mail(f"<{number}@example.org>"))
        state = sandbox.state
        assert [each["dedup_key"] for each in state["pagerduty"]["incidents"]] == ["2", "3", "4"]
        assert [m["text"] for m in state["slack"]["channels"]["ml-alerts"]["messages"]] == ["2", "3", "4"]
        assert [m["message_id"] for m in state["mail"]] == ["<2@example.org>", "<3@example.org>", "<4@example.org>"]
