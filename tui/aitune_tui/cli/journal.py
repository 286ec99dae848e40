"""`aitune-tui journal`: what was changed here, when, by whom, and what of it still holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from aitune_backends import sentences, undo
from aitune_helper import plan
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import Caller
from aitune_tui.cli import jsontext, rooted, trials
from aitune_tui.cli.common import (
    NOT_AS_WANTED,
    Options,
    echo,
    emit_json,
    fail,
    open_machine,
    pass_options,
    table,
)

if TYPE_CHECKING:
    from aitune_backends.machine import Machine
    from aitune_backends.undo import Net
    from aitune_helper.messages import Account, Past, Trial


@click.command(name="journal")
@click.argument("trial_name", metavar="[ID]", required=False)
@click.option("--active", is_flag=True, help="What the kept changes of this boot come to.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--non-interactive", is_flag=True, help="Never ask; implied without a terminal.")
@pass_options
def command(
    options: Options, trial_name: str | None, active: bool, limit: int, non_interactive: bool
) -> None:
    """List the trials of this machine, the newest first; with an ID, one of them and who did it.

    Members of the group that owns the journal read it themselves; everybody else goes through
    the helper, so sudo may ask.
    """
    asking = rooted.Asking(yes=True, non_interactive=non_interactive)
    with open_machine(options) as machine:
        rooted.require_link(machine)
        if active:
            here = trials.of_this_boot(machine, asking, as_json=options.json)
            _show_active(options, machine, undo.net_effect(here))
        elif trial_name is not None:
            _show_one(
                options,
                trials.until(
                    machine,
                    asking,
                    lambda past: undo.find(past.trials, trial_name) is not None,
                    as_json=options.json,
                ),
                trial_name,
            )
        else:
            past = trials.until(
                machine, asking, lambda past: len(past.trials) >= limit, as_json=options.json
            )
            _show(options, past, limit)


def _show(options: Options, past: Past, limit: int) -> None:
    shown = list(zip(past.trials, past.accounts, strict=True))[:limit]
    if options.json:
        listed = [jsontext.past_json(trial, account) for trial, account in shown]
        emit_json("journal", {"trials": listed, "damaged": past.damaged})
        return
    if shown:
        headers = ("TRIAL", "WHEN", "WHO", "WHAT", "SETTINGS", "STATE", "WHY")
        echo(table(headers, [_row(*pair) for pair in shown]))
    else:
        echo("Nothing was changed here yet.")
    if past.damaged:
        lines = sentences.counted(past.damaged, "line")
        echo(f"{lines} of the journal cannot be read.")


def _show_one(options: Options, past: Past, name: str) -> None:
    trial = undo.find(past.trials, name)
    if trial is None:
        hint = "`aitune-tui journal` lists them."
        fail(NOT_AS_WANTED, "no-such-trial", f'No trial is called "{name}".', hint)
    account = past.accounts[past.trials.index(trial)]
    if options.json:
        trials_json = [jsontext.past_json(trial, account)]
        emit_json("journal", {"trials": trials_json, "damaged": past.damaged})
        return
    echo(f"Trial {trial.number}  {sentences.title(trial)}")
    for label, text in _details(trial, account):
        if text:
            echo(f"  {label:<9} {text}")
    echo(rooted.outcome_table(trial.items))


def _details(trial: Trial, account: Account) -> list[tuple[str, str]]:
    ended = account.ended_at
    return [
        ("Id", trial.id),
        ("State", sentences.state(trial)),
        ("Why", trial.message),
        ("Applied", f"{_when(trial.started)} by {sentences.who(account.begun or _owner(trial))}"),
        ("Ended", "" if ended is None or account.ended is None
         else f"{_when(ended)} by {sentences.who(account.ended)}"),
        ("Kernel", account.kernel),
    ]  # fmt: skip


def _row(trial: Trial, account: Account) -> tuple[str, ...]:
    return (
        str(trial.number),
        _when(trial.started),
        trial.owner_name + ("" if trial.attested else " (not attested)"),
        sentences.title(trial),
        str(len(trial.items)),
        sentences.ending(trial, account),
        trial.message,
    )


def _owner(trial: Trial) -> Caller:
    return Caller(trial.owner_uid, trial.owner_name, trial.attested, trial.tty)


def _when(wall: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))


def _show_active(options: Options, machine: Machine, nets: tuple[Net, ...]) -> None:
    nets = tuple(net for net in nets if net.own)
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
            _standing(net, value),
        )
        for net, value in zip(nets, now, strict=True)
    ]
    echo(table(("SETTING", "FIRST", "KEPT", "NOW", ""), rows))
    echo("Gone at the next boot, unless saved. `aitune-tui undo --since-boot` puts them all back.")


def _standing(net: Net, value: str | None) -> str:
    """What became of a kept setting, in words."""
    if value == net.last:
        return "in force"
    return "as it was" if value == net.first else "changed since"


def _net_json(net: Net) -> jsontext.Json:
    return {"knob": net.knob, "instance": net.instance, "first": net.first, "kept": net.last}


def _reading(machine: Machine, net: Net) -> str | None:
    try:
        return plan.reading(machine.host, KNOBS[net.knob], net.instance)
    except (OSError, KeyError):
        return None
