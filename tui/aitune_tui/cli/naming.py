"""The name of a setting with the instances that share a line of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.probes.numbers import numbered

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES_SHOWN = 3


def named(knob: str, instances: Sequence[str]) -> str:
    """`cpu.governor@policy0-31`, `block.scheduler@nvme0n1,nvme1n1`, of a pool with its nodes."""
    shares = [name for name in instances if name]
    if not shares:
        return knob
    return (
        f"{knob}, @{_names(shares)}"
        if len(shares) < len(instances)
        else (f"{knob}@{_names(shares)}")
    )


def _names(instances: Sequence[str]) -> str:
    """Instances in a few words: `policy0-31`, `cpu0-3,6`, `sda and 7 more`."""
    together = numbered(instances)
    if together:
        return together
    if len(instances) > _NAMES_SHOWN:
        return f"{instances[0]} and {len(instances) - 1} more"
    return ",".join(instances)
