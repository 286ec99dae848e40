"""`aitune-tui doctor`: what is wrong with this machine, what it cannot do, and why."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from aitune_tui.cli.common import Options, echo, emit_json, open_machine, pass_options
from aitune_tui.cli.output import field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitune_backends.doctor import Finding
    from aitune_backends.host import Host
    from aitune_backends.readings import Sample

_SIGNS = {"problem": "!", "warning": "▲", "limit": "–", "info": "·"}


@click.command(name="doctor")
@pass_options
def command(options: Options) -> None:
    """Show what is wrong here, what cannot be done, why, and what would change it."""
    from aitune_backends.doctor import findings

    with open_machine(options) as machine:
        sample = _second_tick(machine.host)
        found = findings(machine, sample.loads)
        if options.json:
            emit_json(
                "doctor",
                {
                    "host": machine.identity.name,
                    "label": machine.host.label,
                    "counts": _counts(found),
                    "findings": [_as_json(finding) for finding in found],
                    "tick_ms": round(sample.cost_s * 1e3, 2),
                },
            )
        else:
            echo("\n".join(_text(found)))
            echo(f"One tick of looking costs {sample.cost_s * 1e3:.1f} ms of one CPU.")


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "id": finding.id,
        "title": finding.title,
        "sentence": finding.sentence,
        "hint": finding.hint,
        "severity": finding.severity,
        "fix": [
            {"knob": want.knob, "instance": want.instance, "value": want.value}
            for want in finding.fix
        ],
        "plan": finding.plan,
        "source": finding.source,
    }


def _counts(found: Sequence[Finding]) -> dict[str, int]:
    from aitune_backends.doctor import SEVERITIES

    return {name: sum(finding.severity == name for finding in found) for name in SEVERITIES}


def _text(found: Sequence[Finding]) -> Iterator[str]:
    """Every finding under the heading of its severity: what is, what to do, who says so."""
    from aitune_backends.doctor import HEADINGS

    if not found:
        yield "Nothing stands out on this machine."
    counts = _counts(found)
    severity = ""
    for finding in found:
        if finding.severity != severity:
            if severity:
                yield ""
            severity = finding.severity
            yield f"{HEADINGS[finding.severity]}: {counts[severity]}"
        yield f"{_SIGNS[severity]} {finding.title}"
        yield field("", finding.sentence, 0)
        for name, text in (
            ("do", finding.hint), ("plan", finding.plan), ("source", finding.source)
        ):  # fmt: skip
            if text:
                yield field(f"  {name}", text, 8)
    yield ""


def _second_tick(host: Host) -> Sample:
    """A sample as it is after the first, which opens everything."""
    from aitune_backends.sampler import Sampler

    sampler = Sampler(host)
    try:
        sampler.sample()
        time.sleep(0.05)
        return sampler.sample()
    finally:
        sampler.close()
