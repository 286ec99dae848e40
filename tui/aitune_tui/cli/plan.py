"""`aitune-tui plan`: what changes would do. Writes nothing and needs no root."""

from __future__ import annotations

import click

from aitune_tui.cli import jsontext, proposal
from aitune_tui.cli.common import Options, echo, emit_json, open_machine, pass_options
from aitune_tui.cli.rooted import asking_options, pending_trial, say_pending


@click.command(name="plan")
@proposal.change_options
@asking_options
@pass_options
def command(
    options: Options,
    changes: tuple[str, ...],
    profile: str | None,
    try_s: int | None,
    persist: bool,
    on_partial: str,
    message: str,
    force: bool,
    yes: bool,
    non_interactive: bool,
) -> None:
    """Show what changes would do, value by value, with risk and undo.

    CHANGE is knob=value or knob@instance=value. It takes what `apply` takes, and writes nothing.
    """
    del on_partial, yes, non_interactive  # taken so that one word turns an apply into its plan
    proposal.check_message(message)
    with open_machine(options) as machine:
        made = proposal.propose(machine, changes, profile, force=force)
        trial = pending_trial(machine.link)
        if options.json:
            texts = proposal.texts_of(machine, made.plan)
            items = [
                jsontext.planned_json(item, text)
                for item, text in zip(made.plan.items, texts, strict=True)
            ]
            body = {
                "goal": options.goal,
                "trial": jsontext.trial_json(trial) if trial else None,
                "items": items,
                "warnings": list(made.plan.warnings),
                "hash": made.plan.hash,
            }
            emit_json("plan", body)
            return
        say_pending(trial)
        echo(f"Goal: {options.goal}.")
        proposal.show_plan(machine, made.plan, try_s=try_s, persist=persist, as_json=False)
