"""`aitune-tui keep`: end the open trial as it stands."""

from __future__ import annotations

import click

from aitune_backends import at_boot, sentences
from aitune_tui.cli import ending, jsontext, rooted
from aitune_tui.cli.common import (
    DONE,
    NOT_AS_WANTED,
    PARTIAL,
    Options,
    echo,
    emit_json,
    open_machine,
    pass_options,
)


@click.command(name="keep")
@click.argument("trial_name", metavar="[ID]", required=False)
@click.option("--persist", is_flag=True, help="Also set it at boot.")
@rooted.asking_options
@pass_options
@click.pass_context
def command(
    ctx: click.Context,
    options: Options,
    trial_name: str | None,
    persist: bool,
    yes: bool,
    non_interactive: bool,
) -> None:
    """Keep the trial that is open, so that it holds until the next reboot.

    ID is its id or number; somebody else's trial has to be named.
    """
    asking = rooted.Asking(yes=yes, non_interactive=non_interactive)
    with open_machine(options) as machine:
        link = rooted.require_link(machine)
        asking.require()
        trial = ending.open_trial(link, trial_name)
        asking.confirm(f"Keep trial {trial.number}, {sentences.title(trial)}?")
        with rooted.connected(link, asking, as_json=options.json) as session:
            ending.require_own(session, trial, trial_name)
            kept, files = session.keep(trial.id, persist)
            kept = at_boot.noted(machine.host, kept)
    if options.json:
        body = {
            "trial": jsontext.trial_json(kept),
            "items": jsontext.items_json(kept.items),
            "files": list(files),
        }
        emit_json("keep", body)
    else:
        echo(sentences.kept(kept, files))
    if kept.persisted == "failed":
        ctx.exit(NOT_AS_WANTED)
    ctx.exit(PARTIAL if rooted.is_partial(kept) else DONE)
