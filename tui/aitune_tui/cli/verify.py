"""`aitune-tui verify`: is the machine as a profile wants it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aitune_tui.cli.common import (
    DONE,
    NOT_AS_WANTED,
    Options,
    echo,
    emit_json,
    open_machine,
    pass_options,
)
from aitune_tui.cli.verdict_table import opened, verdict_json, verdict_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.lens import Imported
    from aitune_backends.profiles import Verdict


@click.command(name="verify")
@click.option(
    "--profile",
    "name",
    required=True,
    metavar="NAME",
    help="A profile's name or file, tuned:NAME, or a file that `profiles import` reads.",
)
@click.option("--strict", is_flag=True, help="Exit 1 also for what is absent or without effect.")
@pass_options
@click.pass_context
def command(ctx: click.Context, options: Options, name: str, strict: bool) -> None:
    """Compare the machine with a profile, setting by setting.

    Exit status 0 where it is as wanted, 1 where a setting differs or cannot be read. What the
    machine does not have (absent), and what differs but can have no effect there (inert), is
    named and passes, unless all of it is absent: applying the profile would leave the first out
    and gain nothing by the second. --strict lets nothing pass.
    """
    from aitune_backends.profiles.verdicts import as_wanted, verify

    with open_machine(options) as machine:
        found = opened(name, machine.host)
        verdicts = verify(found.profile, machine.host)
    passed = as_wanted(verdicts, strict=strict)
    if options.json:
        body = {"profile": found.profile.name, "ok": passed, "summary": _summary(verdicts)}
        targets = [verdict_json(verdict) for verdict in verdicts]
        emit_json("verify", {**body, "targets": targets, "not_compared": _others(found)})
    else:
        if verdicts:
            echo(verdict_table(verdicts))
        word = "as wanted" if passed else "not as wanted"
        echo(f"\nProfile {found.profile.name}: {_summary(verdicts)}. This is {word}.")
        if _others(found):
            echo(
                f"{_others(found)} lines or boot words of it are not compared: "
                f"`aitune-tui profiles import {name}` lists them."
            )
    ctx.exit(DONE if passed else NOT_AS_WANTED)


def _summary(verdicts: Sequence[Verdict]) -> str:
    from aitune_backends.profiles.verdicts import summary

    return summary(verdicts)


def _others(found: Imported) -> int:
    """How many lines and words are no settings of this tool."""
    return len(found.left) + len(found.boot_words)
