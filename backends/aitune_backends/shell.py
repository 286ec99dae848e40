"""The shell lines that do the same as changes, to copy and to read."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from aitune_backends.probes.numbers import cpu_list
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitune_helper.messages import Item

# Up to here every file is named; more are put together.
_FEW = 4
_NUMBERED = re.compile(r"([a-z]+)(0|[1-9][0-9]*)")


def command(knob: str, instance: str, value: str) -> str:
    """The line that writes one value: `sudo sysctl -w …`, or a write to the file by tee."""
    path = KNOBS[knob].file(instance)
    if path.startswith("/proc/sys/"):
        return f"sudo sysctl -w {shlex.quote(f'{knob}={value}')}"
    return f"echo {shlex.quote(value)} | sudo tee {shlex.quote(path)}"


def lines(values: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    """The lines that write several values: one for all instances that are to hold the same.

    Args:
        values: (knob, instance, value) of each.

    Returns:
        `echo performance | sudo tee /sys/…/policy{0..63}/scaling_governor`: bash and zsh put the
        files there.
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for knob, instance, value in values:
        alike.setdefault((knob, value), []).append(instance)
    found: list[str] = []
    for (knob, value), instances in alike.items():
        if len(instances) <= _FEW:
            found += [command(knob, instance, value) for instance in instances]
        else:
            files = [KNOBS[knob].file(name) for name in braced(instances)]
            found.append(f"echo {shlex.quote(value)} | sudo tee {' '.join(files)}")
    return tuple(found)


def braced(names: Iterable[str]) -> tuple[str, ...]:
    """Names with neighbours as one word that a shell spreads again: `policy{0..63}`.

    A name without a number at its end is quoted as it is.
    """
    numbers: dict[str, list[int]] = {}
    others: list[str] = []
    for name in names:
        found = _NUMBERED.fullmatch(name)
        if found is None:
            others.append(shlex.quote(name))
        else:
            numbers.setdefault(found[1], []).append(int(found[2]))
    runs = [
        f"{stem}{first}" if not last else f"{stem}{{{first}..{last}}}"
        for stem, known in numbers.items()
        for first, _, last in (run.partition("-") for run in cpu_list(known).split(","))
    ]
    return (*runs, *others)


def commands(items: Iterable[Item]) -> tuple[str, ...]:
    """The lines that do what a plan does, in its order."""
    return tuple(command(item.knob, item.instance, item.requested) for item in items)
