"""`aitune-tui status`: what the machine is, how it is set, and what is advised."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from aitune_tui.cli.choosing import chosen
from aitune_tui.cli.common import Options, echo, emit_json, open_machine, pass_options
from aitune_tui.cli.status_json import status_json
from aitune_tui.cli.status_settings import settings_table
from aitune_tui.cli.status_text import status_text

if TYPE_CHECKING:
    from aitune_backends.machine import Machine
    from aitune_backends.readings import Sample

# Between the two readings that a rate takes.
_RATE_OVER_S = 0.25


@click.command(name="status")
@click.argument("knobs", nargs=-1, metavar="[KNOB[@INSTANCE]…]")
@click.option("--all", "whole", is_flag=True, help="Also settings that have nothing to say.")
@pass_options
def command(options: Options, knobs: tuple[str, ...], *, whole: bool) -> None:
    """Show the machine and its settings: each value now, the advised one, its state, its owner.

    With KNOB only those settings, as vm.swappiness or cpu.governor@policy0. Settings without
    advice that are seldom looked for are counted; --all shows them. --json always has all.
    """
    from aitune_backends.owners import read_owners
    from aitune_backends.survey import survey

    with open_machine(options) as machine:
        sample = _take_sample(machine)
        targets = survey(machine.host, sample, options.goal, read_owners(machine.host))
        if knobs:
            targets = chosen(targets, knobs, machine.host)
        state = machine.link.state() if machine.link is not None else None
        trial = state.pending if state is not None else None
        if options.json:
            body = status_json(machine.host, machine.identity, sample, targets, trial, options.goal)
            emit_json("status", body)
        elif knobs:
            echo(settings_table(targets))
        else:
            text = status_text(
                machine.host, machine.identity, sample, targets, trial, options.goal, whole=whole
            )
            echo(text)


def _take_sample(machine: Machine) -> Sample:
    """One sample; of a machine that moves the second of two, so that it has rates."""
    from aitune_backends.sampler import Sampler

    if machine.advance is None:
        sampler = Sampler(machine.host)
    else:  # the demo's time passes as far as we let it
        sampler = Sampler(machine.host, clock=iter((0.0, _RATE_OVER_S)).__next__)
    try:
        sample = sampler.sample()
        if machine.origin != "capture":
            (machine.advance or time.sleep)(_RATE_OVER_S)
            sample = sampler.sample()
    finally:
        sampler.close()
    return sample
