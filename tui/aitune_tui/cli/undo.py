"""`aitune-tui undo`: put back what was kept, by one more plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from aitune_backends import sentences, undo
from aitune_backends.at_boot import OUR_FILES
from aitune_backends.owners import read_owners
from aitune_helper.messages import PLANNED
from aitune_tui.cli import applying, proposal, rooted, trials
from aitune_tui.cli.common import (
    NOT_AS_WANTED,
    USAGE,
    Options,
    fail,
    note,
    open_machine,
    pass_options,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.machine import Machine
    from aitune_helper.messages import Trial


class Meant(NamedTuple):
    """What is to be undone: its name, how, and whose boot files go back, the newest first."""

    title: str
    todo: undo.Undo
    boot_files: tuple[Trial, ...]


@click.command(name="undo")
@click.argument("trial_name", metavar="[ID]", required=False)
@click.option("--since-boot", is_flag=True, help="Everything kept since the machine booted.")
@click.option("--force", is_flag=True, help="Also what somebody else changed since.")
@click.option("--message", default="", metavar="TEXT", help="Why; kept in the journal.")
@rooted.asking_options
@pass_options
@click.pass_context
def command(
    ctx: click.Context,
    options: Options,
    trial_name: str | None,
    since_boot: bool,
    force: bool,
    message: str,
    yes: bool,
    non_interactive: bool,
) -> None:
    """Put back what a kept trial changed, its boot files too.

    ID is its id or number; without one, the newest kept trial that is not undone yet. A setting
    that somebody else changed since is left alone, and named.
    """
    proposal.check_message(message)
    if since_boot and trial_name is not None:
        fail(USAGE, "usage", "Give an ID or --since-boot: one of the two.")
    asking = rooted.Asking(yes=yes, non_interactive=non_interactive)
    with open_machine(options) as machine:
        link = rooted.require_link(machine)
        asking.require()
        rooted.require_nothing_pending(link)
        if since_boot:
            past = trials.of_this_boot(machine, asking, as_json=options.json)
            nets = undo.net_effect(past)
            todo, lasting = undo.plan_undo_all(machine.host, past, force=force)
            meant = Meant("everything since boot", todo, lasting)
        else:
            trial = _one(machine, asking, trial_name, as_json=options.json)
            todo = undo.plan_undo_of(machine.host, trial, force=force)
            meant = Meant(f"undo of {trial.number}", todo, (trial,))
        status = _undo(machine, options, meant, asking, force=force, message=message)
        if since_boot:
            _say_what_boots(machine, nets, as_json=options.json)
        ctx.exit(status)


def _one(machine: Machine, asking: rooted.Asking, name: str | None, *, as_json: bool) -> Trial:
    """The trial that is meant; the whole journal is asked for only where it is not a late one."""
    trial = _pick(trials.recent(machine), name)
    if trial is None:
        past = trials.until(
            machine, asking, lambda so_far: _pick(so_far.trials, name) is not None, as_json=as_json
        )
        trial = _pick(past.trials, name)
    if trial is None:
        what = f'No kept trial is called "{name}".' if name else "No kept change is left to undo."
        fail(NOT_AS_WANTED, "nothing-to-undo", what, "`aitune-tui journal` lists them.")
    return trial


def _pick(known: Sequence[Trial], name: str | None) -> Trial | None:
    if name is None:
        return undo.newest(known)
    trial = undo.find(known, name)
    return trial if trial is not None and rooted.is_kept(trial) else None


def _undo(
    machine: Machine,
    options: Options,
    meant: Meant,
    asking: rooted.Asking,
    *,
    force: bool,
    message: str,
) -> int:
    todo = meant.todo
    for net in todo.drifted:
        name = f"{net.knob}@{net.instance}" if net.instance else net.knob
        note(
            f"{name} is no longer {net.last}: somebody else changed it, so it is left alone.",
            as_json=options.json,
        )
    if not todo.changes:
        if todo.drifted:
            fail(
                NOT_AS_WANTED,
                "drifted",
                "Nothing is put back: what was kept is no longer in force.",
                "--force puts it back all the same.",
            )
        fail(NOT_AS_WANTED, "nothing-to-undo", "Everything is as it was: nothing to undo.")
    made = proposal.plan_changes(
        machine, todo.changes, meant.title, force=True, former=undo.puts_back(todo.changes)
    )
    manner = applying.Manner(
        "undo",
        _question(sum(item.status == PLANNED for item in made.plan.items)),
        message=message,
        force=force,
        is_undo=True,
        undo_of=meant.boot_files[0].id if meant.boot_files else None,
        then_undo=meant.boot_files[1:],
        accept_partial=True,
    )
    status = applying.run(machine, options, made, manner, asking)
    return NOT_AS_WANTED if todo.drifted else status


def _question(count: int) -> str:
    if not count:
        return "Take back what sets it at boot?"
    return f"Put back {sentences.counted(count, 'setting')}?"


def _say_what_boots(machine: Machine, nets: Sequence[undo.Net], *, as_json: bool) -> None:
    """Name what is still set at boot: lines of an earlier boot's trials, or of nobody we know."""
    owners = read_owners(machine.host)
    for net in nets:
        owner = owners.of(net.knob, net.instance)
        if owner is not None and owner.file in OUR_FILES.values() and owner.value != net.first:
            target = f"{net.knob}@{net.instance}" if net.instance else net.knob
            note(
                f"{target} is still set at boot, to {owner.value}: "
                f"`aitune-tui unpersist {target}` takes it out.",
                as_json=as_json,
            )
