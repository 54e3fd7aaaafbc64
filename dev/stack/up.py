"""`make up`, from the first check to the end."""

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from dev.stack import binaries, credentials, earlier, ports, render, speed, wrapper
from dev.stack.errors import StackError
from dev.stack.places import ROUTES, Places
from dev.stack.processes import Process, end_all, wait_until_ready
from dev.stack.screen import screen
from dev.stack.services import services
from dev.stack.speed import Tempo
from dev.stack.terminal import Terminal

WATCH_SECONDS = 0.3
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked to stop while something was still starting."""


@dataclass(frozen=True)
class RunInfo:
    """What is published about a running stack: the screen for users, ports and speed for drills."""

    screen_text: str
    ports: ports.Ports
    speed: int

    def publish(self, places: Places) -> None:
        places.screen.write_text(f"{self.screen_text}\n", encoding="utf-8")
        content = {"speed": self.speed, "ports": asdict(self.ports)}
        places.running.write_text(json.dumps(content, indent=1), encoding="utf-8")

    @staticmethod
    def remove(places: Places) -> None:
        for file in (places.screen, places.running):
            file.unlink(missing_ok=True)


class StopRequests:
    """Counts the signals that ask to stop. The second one means: at once."""

    def __init__(self) -> None:
        self.count = 0
        for number in SIGNALS:
            signal.signal(number, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        self.count += 1

    def check(self) -> None:
        if self.count:
            raise Stopped


def up(places: Places, terminal: Terminal) -> None:
    """Raises StackError for everything that the user must fix."""
    chosen, traffic = ports.from_environment(os.environ), render.traffic(os.environ)
    tempo = Tempo(speed.from_environment(os.environ))
    places.create()
    with earlier.hold_lock(places):
        _tidy(places, terminal)
        ports.require_free(chosen)
        tools = binaries.ensure(terminal.say, binaries.STACK)
        secrets = credentials.create(places)
        render.write_monitoring(places.run, chosen, places, tempo)
        addresses = render.environment(chosen)
        render.require_variables(ROUTES, addresses)
        api = render.api_environment(places, os.environ)
        environment = {**os.environ, **secrets, **addresses, **api, "PYTHONUNBUFFERED": "1"}
        wrapper.write(places, chosen, environment)
        listed = services(chosen, places, tools, traffic)
        processes = [Process(service, places, environment) for service in listed]
        _run(processes, places, terminal, _run_info(chosen, tools["amtool"], tempo, places))


def _run_info(chosen: ports.Ports, amtool: Path, tempo: Tempo, places: Places) -> RunInfo:
    return RunInfo(screen(chosen, amtool, tempo, wrapper.shown(places)), chosen, tempo.speed)


def _tidy(places: Places, terminal: Terminal) -> None:
    names = earlier.end_left_overs(places)
    RunInfo.remove(places)
    if names:
        terminal.say(f"An earlier run was killed; stopped what it had left running: {', '.join(names)}.")
    for log in places.logs.glob("*.log"):
        log.replace(log.with_suffix(".log.1"))


def _run(processes: Sequence[Process], places: Places, terminal: Terminal, info: RunInfo) -> None:
    requests = StopRequests()
    try:
        _start(processes, places, terminal, requests)
        info.publish(places)
        terminal.say(f"\n{info.screen_text}")
        _watch(processes, places, terminal, requests)
    except Stopped:
        terminal.end_line()
    except StackError as fault:
        terminal.end_line()
        raise StackError(f"{fault}\nEverything was stopped again.") from fault
    finally:
        _stop(processes, places, terminal, requests)


def _start(processes: Sequence[Process], places: Places, terminal: Terminal, requests: StopRequests) -> None:
    terminal.say("Starting the incident bridge and its surroundings:")
    for late in (False, True):
        batch = [process for process in processes if process.service.late == late]
        for process in batch:
            requests.check()
            process.start()
            _record(processes, places)
        _wait(batch, processes, terminal, requests)


def _wait(batch: Sequence[Process], processes: Sequence[Process], terminal: Terminal, requests: StopRequests) -> None:
    for process in batch:
        with terminal.step(process.service.name, process.service.address, process.born) as move:
            wait_until_ready(process, processes, tick=_both(move, requests.check))


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def both() -> None:
        first()
        second()

    return both


def _watch(processes: Sequence[Process], places: Places, terminal: Terminal, requests: StopRequests) -> None:
    while not requests.count:
        for process in processes:
            if process.revive(lambda text: terminal.say(f"\n{text}")):
                terminal.say(f"{process.service.name} was started again (pid {process.pid}).")
                _record(processes, places)
        time.sleep(WATCH_SECONDS)


def _record(processes: Sequence[Process], places: Places) -> None:
    earlier.record(places, [(process.service.name, process.pid) for process in processes if process.pid])


def _stop(processes: Sequence[Process], places: Places, terminal: Terminal, requests: StopRequests) -> None:
    terminal.say("\nStopping; press Ctrl-C again to stop at once.")
    before = requests.count
    killed = end_all(processes, stop_now=lambda: requests.count > before)
    for name in killed:
        terminal.say(f"{name} did not end in time and was killed.")
    places.pids.unlink(missing_ok=True)
    RunInfo.remove(places)
    terminal.say("Everything has ended. Incidents and logs are kept in .run; delete it to start afresh.")
