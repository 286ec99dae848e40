"""`aitune-tui apply`: change settings, and keep them or try them for a while."""

from __future__ import annotations

import click

from aitune_backends import sentences
from aitune_tui.cli import applying, proposal, rooted
from aitune_tui.cli.common import Options, open_machine, pass_options


@click.command(name="apply")
@proposal.change_options
@rooted.asking_options
@pass_options
@click.pass_context
def command(
    ctx: click.Context,
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
    """Change settings, read each one back, and keep them.

    CHANGE is knob=value or knob@instance=value; without an instance, a choice or a limit goes to
    every instance and a number of pages to the machine's total. If one does not come out as
    wanted, all are put back. With --try the command returns at once, and a guardian puts
    everything back in time unless `aitune-tui keep` is run before.
    """
    proposal.check_message(message)
    asking = rooted.Asking(yes=yes, non_interactive=non_interactive)
    with open_machine(options) as machine:
        rooted.require_link(machine)
        made = proposal.propose(machine, changes, profile, force=force)
        manner = applying.Manner(
            "apply",
            f"Apply {sentences.counted(len(made.plan.items), 'change')}?",
            try_s=try_s,
            persist=persist,
            accept_partial=on_partial == "accept",
            message=message,
            force=force,
        )
        ctx.exit(applying.run(machine, options, made, manner, asking))
