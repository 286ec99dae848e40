"""`aitune-tui doctor`: what this machine cannot do, and why."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from aitune_tui.cli.common import Options, echo, emit_json, open_machine, pass_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.doctor import Finding
    from aitune_backends.host import Host

_SIGNS = {"problem": "!", "limit": "–", "info": "·"}


@click.command(name="doctor")
@pass_options
def command(options: Options) -> None:
    """Show what works on this machine, what does not, and why."""
    from aitune_backends.doctor import findings

    with open_machine(options) as machine:
        found = findings(machine)
        cost_s = _tick_cost(machine.host)
        if options.json:
            emit_json(
                "doctor",
                {
                    "host": machine.identity.name,
                    "label": machine.host.label,
                    "findings": [asdict(finding) for finding in found],
                    "tick_ms": round(cost_s * 1e3, 2),
                },
            )
        else:
            echo(_text(found))
            echo(f"One tick of looking costs {cost_s * 1e3:.1f} ms of one CPU.")


def _text(found: Sequence[Finding]) -> str:
    parts: list[str] = []
    for finding in found:
        lines = [f"{_SIGNS[finding.severity]} {finding.title}", f"    {finding.sentence}"]
        if finding.hint:
            lines.append(f"    {finding.hint}")
        parts.append("\n".join(lines))
    return "\n".join(parts) or "Nothing is missing here."


def _tick_cost(host: Host) -> float:
    """CPU seconds of one tick as it is after the first, which opens everything."""
    from aitune_backends.sampler import Sampler

    sampler = Sampler(host)
    try:
        sampler.sample()
        time.sleep(0.05)
        return sampler.sample().cost_s
    finally:
        sampler.close()
