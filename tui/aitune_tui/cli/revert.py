"""`aitune-tui revert`: put the open trial back now."""

from __future__ import annotations

import time

import click

from aitune_backends import sentences
from aitune_tui.cli import ending, jsontext, rooted
from aitune_tui.cli.common import (
    DONE,
    NOT_AS_WANTED,
    Options,
    echo,
    emit_json,
    open_machine,
    pass_options,
)


@click.command(name="revert")
@click.argument("trial_name", metavar="[ID]", required=False)
@rooted.asking_options
@pass_options
@click.pass_context
def command(
    ctx: click.Context,
    options: Options,
    trial_name: str | None,
    yes: bool,
    non_interactive: bool,
) -> None:
    """Put back the trial that is open, without waiting for its time to run out.

    ID is its id or number; somebody else's trial has to be named.
    """
    asking = rooted.Asking(yes=yes, non_interactive=non_interactive)
    with open_machine(options) as machine:
        link = rooted.require_link(machine)
        asking.require()
        trial = ending.open_trial(link, trial_name)
        asking.confirm(f"Put back trial {trial.number}, {sentences.title(trial)}?")
        with rooted.connected(link, asking, as_json=options.json) as session:
            ending.require_own(session, trial, trial_name)
            ended = session.revert(trial.id)
    if options.json:
        items = jsontext.items_json(ended.items)
        emit_json("revert", {"trial": jsontext.trial_json(ended), "items": items})
    else:
        if not ended.complete:
            echo(rooted.outcome_table(ended.items))
        echo(sentences.reverted(ended, time.time()))
    ctx.exit(DONE if ended.complete else NOT_AS_WANTED)
