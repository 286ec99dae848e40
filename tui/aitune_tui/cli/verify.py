"""`aitune-tui verify`: is the machine as a profile wants it?"""

from __future__ import annotations

import click

from aitune_tui.cli.common import (
    DONE,
    NOT_AS_WANTED,
    USAGE,
    Options,
    echo,
    emit_json,
    fail,
    open_machine,
    pass_options,
    table,
)


@click.command(name="verify")
@click.option("--profile", "name", required=True, metavar="NAME", help="A profile's name or file.")
@pass_options
@click.pass_context
def command(ctx: click.Context, options: Options, name: str) -> None:
    """Compare the machine with a profile; exit 1 where it differs."""
    from aitune_backends import profiles

    try:
        profile = profiles.load(name)
    except profiles.ProfileError as error:
        fail(USAGE, "profile", str(error))
    with open_machine(options) as machine:
        verdicts = profiles.verify(profile, machine.host)
    differing = [verdict for verdict in verdicts if not verdict.ok]
    if options.json:
        listed = [
            {
                "knob": verdict.knob,
                "instance": verdict.instance,
                "wanted": verdict.wanted,
                "found": verdict.found,
                "ok": verdict.ok,
                "note": verdict.note,
            }
            for verdict in verdicts
        ]
        emit_json("verify", {"profile": profile.name, "ok": not differing, "targets": listed})
    else:
        rows = [
            (
                verdict.target,
                verdict.wanted,
                verdict.found if verdict.found is not None else "–",
                "as wanted" if verdict.ok else "differs",
                verdict.note,
            )
            for verdict in verdicts
        ]
        echo(table(("SETTING", "WANTED", "FOUND", "", "NOTE"), rows))
        echo(
            f"{len(differing)} of {len(verdicts)} differ from profile {profile.name}."
            if differing
            else f"All {len(verdicts)} are as profile {profile.name} wants them."
        )
    ctx.exit(NOT_AS_WANTED if differing else DONE)
