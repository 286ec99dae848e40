"""The shell line that does the same as a change, to copy and to read."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitune_helper.messages import Item


def command(knob: str, instance: str, value: str) -> str:
    """The line that writes one value: `sudo sysctl -w …`, or a write to the file by tee."""
    path = KNOBS[knob].file(instance)
    if path.startswith("/proc/sys/"):
        return f"sudo sysctl -w {shlex.quote(f'{knob}={value}')}"
    return f"echo {shlex.quote(value)} | sudo tee {shlex.quote(path)}"


def commands(items: Iterable[Item]) -> tuple[str, ...]:
    """The lines that do what a plan does, in its order."""
    return tuple(command(item.knob, item.instance, item.requested) for item in items)
