"""Runs the soak and prints one table; exit code 1 when the bridge lost, doubled or misstated something."""

from __future__ import annotations

import random
from collections.abc import Mapping

import click

from dev.compared_systems import SYSTEMS, chosen_systems
from dev.soak.counting import CHANNELS, Verdict
from dev.soak.plan import plan_of
from dev.soak.running import Make, Tally, run
from dev.soak.systems import Alertmanager, Bridge

MAKERS: Mapping[str, Make] = {"bridge": Bridge, "alertmanager": Alertmanager}
Column = Mapping[str, str]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=300.0, show_default=True, help="How long faults happen.")
@click.option("--seed", type=int, help="Decides what happens; a new one each time, which is printed.")
@click.option("--per-second", default=5.0, show_default=True, help="Alerts.")
@click.option("--only", type=click.Choice(SYSTEMS), help="Leave the other one out.")
def main(seconds: float, seed: int | None, per_second: float, only: str | None) -> None:
    """Kill the bridge and break its vendors at random, and count what the channels show in the end.

    Alertmanager's own receivers are treated the same beside it, from the same plan; they do not decide the exit code.
    """
    plan = plan_of(random.SystemRandom().randrange(10**6) if seed is None else seed, seconds, per_second)
    click.echo(f"seed {plan.seed}, {seconds:g} s, {len(plan.alerts)} alerts")
    columns, sound = {}, True
    for name in chosen_systems(only):
        tally, found = run(MAKERS[name], plan)
        columns[name] = _column(len(plan.alerts), tally, found)
        sound = sound and (name != "bridge" or found.sound)
    click.echo(table(columns))
    if not sound:
        what = "The bridge lost or doubled something, or said something wrong"
        raise SystemExit(f"{what}; again with --seed {plan.seed} --only bridge")


def _column(alerts: int, tally: Tally, found: Verdict) -> Column:
    rows = {
        "alerts sent": alerts,
        "alerts accepted": len(tally.accepted),
        "notifications accepted": tally.answered,
        "posts, repeated ones too": tally.posts,
        "restarts survived": tally.kills,
        "vendor faults injected": tally.faults,
        "shown as accepted": found.delivered,
        **{f"lost: {name}": found.lost[name] for name in CHANNELS},
        **{f"ended unnotified: {name}": found.unnotified[name] for name in CHANNELS},
        **{f"seen twice: {name}": found.doubled[name] for name in CHANNELS},
        **{f"wrong: {name}": found.wrong[name] for name in CHANNELS},
        "last message after s": round(tally.recovered_seconds),
    }
    return {name: f"{value}" for name, value in rows.items()}


def table(columns: Mapping[str, Column]) -> str:
    """One line for each count, one column for each system."""
    names = next(iter(columns.values()), {})
    lines = ["", f"{'':28}" + "".join(f"{system:>14}" for system in columns)]
    lines += [f"{name:28}" + "".join(f"{column[name]:>14}" for column in columns.values()) for name in names]
    return "\n".join(lines)
