"""`aitune-tui journal`: what was changed here, when, by whom, and what of it still holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from aitune_backends import sentences, undo
from aitune_helper import plan
from aitune_helper.knobs import KNOBS
from aitune_tui.cli import jsontext, rooted, trials
from aitune_tui.cli.common import Options, echo, emit_json, open_machine, pass_options, table

if TYPE_CHECKING:
    from aitune_backends.journal_file import Journal
    from aitune_backends.machine import Machine
    from aitune_backends.undo import Net
    from aitune_helper.messages import Trial


@click.command(name="journal")
@click.option("--active", is_flag=True, help="What the kept changes of this boot come to.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--non-interactive", is_flag=True, help="Never ask; implied without a terminal.")
@pass_options
def command(options: Options, active: bool, limit: int, non_interactive: bool) -> None:
    """List the trials of this machine, the newest first.

    Members of the group that owns the journal read it themselves; everybody else goes through
    the helper, so sudo may ask.
    """
    asking = rooted.Asking(yes=True, non_interactive=non_interactive)
    with open_machine(options) as machine:
        rooted.require_link(machine)
        journal = trials.all_of_them(machine, asking, as_json=options.json)
        if active:
            _show_active(options, machine, undo.since_boot(journal.trials))
        else:
            _show(options, journal, limit)


def _show(options: Options, journal: Journal, limit: int) -> None:
    shown = journal.trials[:limit]
    if options.json:
        listed = [
            {**jsontext.trial_json(trial), "items": jsontext.items_json(trial.items)}
            for trial in shown
        ]
        emit_json("journal", {"trials": listed, "damaged": journal.damaged})
        return
    if shown:
        headers = ("TRIAL", "WHEN", "WHO", "WHAT", "SETTINGS", "STATE", "WHY")
        echo(table(headers, [_row(trial) for trial in shown]))
    else:
        echo("Nothing was changed here yet.")
    if journal.damaged:
        lines = sentences.counted(journal.damaged, "line")
        echo(f"{lines} of the journal cannot be read.")


def _row(trial: Trial) -> tuple[str, ...]:
    return (
        str(trial.number),
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(trial.started)),
        trial.owner_name + ("" if trial.attested else " (not attested)"),
        sentences.title(trial),
        str(len(trial.items)),
        sentences.state(trial),
        trial.message,
    )


def _show_active(options: Options, machine: Machine, nets: tuple[Net, ...]) -> None:
    now = [_reading(machine, net) for net in nets]
    if options.json:
        listed = [
            {**_net_json(net), "now": value, "holds": value == net.last}
            for net, value in zip(nets, now, strict=True)
        ]
        emit_json("journal-active", {"active": listed})
        return
    if not nets:
        echo("No kept change of this boot is in force.")
        return
    rows = [
        (
            f"{net.knob}@{net.instance}" if net.instance else net.knob,
            net.first,
            net.last,
            value or "–",
            "in force" if value == net.last else "changed since",
        )
        for net, value in zip(nets, now, strict=True)
    ]
    echo(table(("SETTING", "FIRST", "KEPT", "NOW", ""), rows))
    echo("Gone at the next boot, unless saved. `aitune-tui undo --since-boot` puts them all back.")


def _net_json(net: Net) -> jsontext.Json:
    return {"knob": net.knob, "instance": net.instance, "first": net.first, "kept": net.last}


def _reading(machine: Machine, net: Net) -> str | None:
    try:
        return plan.reading(machine.host, KNOBS[net.knob], net.instance)
    except (OSError, KeyError):
        return None
