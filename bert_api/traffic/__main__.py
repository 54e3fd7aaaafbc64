"""python -m bert_api.traffic --scenario normal --rate 4 --url http://127.0.0.1:8100"""

from __future__ import annotations

import signal
import sys
import threading
import time

import click

from bert_api.traffic.scenarios import NAMES
from bert_api.traffic.sending import Tally, Traffic

LIVE_SECONDS, LINE_SECONDS = 1.0, 30.0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--scenario", type=click.Choice(NAMES), default="normal", show_default=True)
@click.option("--rate", type=click.FloatRange(0.1, 500), default=4.0, show_default=True, help="Requests a second.")
@click.option("--duration", type=click.FloatRange(0), default=300.0, show_default=True, help="Seconds; 0 for ever.")
@click.option("--url", "urls", multiple=True, default=("http://127.0.0.1:8100",), show_default=True, help="Repeatable.")
def main(scenario: str, rate: float, duration: float, urls: tuple[str, ...]) -> None:
    """Send sentences to the API: normal, a toxic-wave, drift (what lowers the confidence), a surge (12 x the rate), or
    mixed (each of these for ten minutes, over and over). Several --url are asked in turn."""
    traffic = Traffic(urls, scenario, rate, duration)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: traffic.stopping.set())
    threading.Thread(target=_show, args=(traffic,), daemon=True).start()
    began = time.monotonic()
    traffic.run()
    _say(f"Done: {summary(traffic.tally, time.monotonic() - began)}\n")


def _show(traffic: Traffic) -> None:
    live, began = sys.stdout.isatty(), time.monotonic()
    while not traffic.stopping.wait(LIVE_SECONDS if live else LINE_SECONDS):
        line = summary(traffic.tally, time.monotonic() - began)
        _say(f"\r\x1b[K{line}" if live else f"{line}\n")


def summary(tally: Tally, seconds: float) -> str:
    """One line; rates are of the whole run, the P95 is of the latest answers."""
    rate = tally.sent / max(seconds, 1e-9)
    toxic = 100 * tally.toxic / max(tally.texts, 1)
    counts = f"{tally.answered} answered, {tally.failed} failed, {tally.held_back} held back"
    return f"{tally.sent} sent ({rate:.1f}/s), {counts}, {toxic:.0f} % toxic, P95 {tally.p95() * 1000:.0f} ms"


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    main(prog_name="python -m bert_api.traffic")
