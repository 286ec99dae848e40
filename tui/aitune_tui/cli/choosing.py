"""Targets that were named on the command line: `vm.swappiness`, `cpu.governor@policy0`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_helper.knobs import KNOBS
from aitune_tui.cli.common import USAGE, fail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.host import Host
    from aitune_backends.targets import TargetStatus


def chosen(
    targets: Sequence[TargetStatus], wanted: Sequence[str], host: Host
) -> tuple[TargetStatus, ...]:
    """The targets named on the command line; ends the command where a name means nothing here."""
    from aitune_backends.survey import default_pool

    named: dict[int, TargetStatus] = {}
    for name in wanted:
        knob, at, instance = name.partition("@")
        if knob in KNOBS and not any(target.knob == knob for target in targets):
            knob = KNOBS[knob].means.replace("{pool}", default_pool(host)) or knob
        of_knob = [target for target in targets if target.knob == knob]
        if not of_knob:
            known = dict.fromkeys(target.knob for target in targets)
            fail(
                USAGE, "unknown-knob", f"There is no setting {name}.", f"Known: {', '.join(known)}."
            )
        found = [target for target in of_knob if not at or target.instance == instance]
        if not found:
            instances = ", ".join(target.instance for target in of_knob if target.instance)
            fail(
                USAGE,
                "unknown-instance",
                f"{knob} has no instance {instance or '(empty)'} here.",
                f"It has: {instances or 'none'}.",
            )
        named.update((id(target), target) for target in found)
    return tuple(named.values())
