"""`aitune-tui act`: have the kernel do something once, which nothing can take back."""

from __future__ import annotations

import os

import click

from aitune_backends import sentences
from aitune_backends.public_state import seconds_left
from aitune_helper.actions import ACTIONS
from aitune_tui.cli import rooted
from aitune_tui.cli.common import (
    BUSY,
    DONE,
    Options,
    echo,
    emit_json,
    fail,
    note,
    open_machine,
    pass_options,
)

# As they are typed: `compact-memory`.
NAMES = {name.replace("_", "-"): name for name in ACTIONS}


@click.command(name="act")
@click.argument("action", type=click.Choice(tuple(NAMES)))
@rooted.asking_options
@pass_options
@click.pass_context
def command(
    ctx: click.Context, options: Options, action: str, yes: bool, non_interactive: bool
) -> None:
    """Have the kernel do something once: compact its memory, or drop its page cache.

    It sets nothing, so there is nothing to keep or to put back; the journal says that it was done.
    It waits until somebody else's trial is over.
    """
    asking = rooted.Asking(yes=yes, non_interactive=non_interactive)
    chosen = ACTIONS[NAMES[action]]
    with open_machine(options) as machine:
        link = rooted.require_link(machine)
        asking.require()
        trial = rooted.pending_trial(link)
        left = seconds_left(trial) if trial is not None else None
        if trial is not None and trial.owner_uid != os.geteuid() and (left is None or left > 0):
            fail(BUSY, "busy", sentences.busy(trial, left), "Wait until it is over.")
        for line in (chosen.effect, chosen.cost, sentences.NO_WAY_BACK):
            note(line, as_json=options.json)
        asking.confirm(f"Write {chosen.value} to {chosen.path}?")
        with rooted.connected(link, asking, as_json=options.json) as session:
            session.act(chosen.id)
    if options.json:
        emit_json("act", {"action": chosen.id, "path": chosen.path, "value": chosen.value})
    else:
        echo(sentences.acted(chosen.id))
    ctx.exit(DONE)
