"""`aitune-tui unpersist`: take settings out of the files that set them at boot."""

from __future__ import annotations

import click

from aitune_backends.changes import ChangeError, parse_target
from aitune_tui.cli import rooted
from aitune_tui.cli.common import (
    DONE,
    USAGE,
    Options,
    echo,
    emit_json,
    fail,
    open_machine,
    pass_options,
)


def _name(text: str) -> str:
    """A knob or a target as the helper takes it.

    Raises:
        ChangeError: There is none of that name.
    """
    knob, instance = parse_target(text)
    return f"{knob.id}@{instance}" if instance else knob.id


@click.command(name="unpersist")
@click.argument("knobs", nargs=-1, metavar="[KNOB[@INSTANCE]]...")
@rooted.asking_options
@pass_options
@click.pass_context
def command(
    ctx: click.Context,
    options: Options,
    knobs: tuple[str, ...],
    yes: bool,
    non_interactive: bool,
) -> None:
    """Take settings out of the files that set them at boot; all of ours if none is named.

    The values in force now stay as they are.
    """
    asking = rooted.Asking(yes=yes, non_interactive=non_interactive)
    with open_machine(options) as machine:
        link = rooted.require_link(machine)
        try:
            names = [_name(text) for text in knobs]
        except ChangeError as error:
            fail(USAGE, "change", str(error))
        asking.require()
        rooted.require_nothing_pending(link)
        what = ", ".join(names) if names else "everything of ours"
        asking.confirm(f"Take {what} out of the files that set it at boot?")
        with rooted.connected(link, asking, as_json=options.json) as session:
            files = session.unpersist(names)
    if options.json:
        emit_json("unpersist", {"knobs": names, "files": list(files)})
    elif files:
        echo(f"Taken out of {', '.join(files)}. The values in force now are as they were.")
    else:
        echo("No file of ours sets that at boot: nothing to take out.")
    ctx.exit(DONE)
